import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

extension TestHeader {
  /// Expects that a file is refused, for one reason and in these words after its path.
  static func expectRefused(
    _ bytes: [UInt8], tensor: TensorName? = nil, _ reason: SafetensorsError.Reason,
    line: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = TemporaryFolder()
    let path = try folder.write(bytes, to: "bad.safetensors")
    let error = #expect(throws: SafetensorsError.self, sourceLocation: sourceLocation) {
      try SafetensorsFile(path: path)
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.tensor == tensor, sourceLocation: sourceLocation)
    #expect(error?.path == path, sourceLocation: sourceLocation)
    #expect(error?.failureKind == .badData, sourceLocation: sourceLocation)
    if let line {
      #expect(error?.description == "\(path): \(line)", sourceLocation: sourceLocation)
    }
    #expect(folder.entries == ["bad.safetensors"], sourceLocation: sourceLocation)
  }

  /// Expects that a header is refused.
  static func expectRefused(
    header: String, data: Int = 4, tensor: TensorName? = nil, _ reason: SafetensorsError.Reason,
    line: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try expectRefused(
      file(header, data: data), tensor: tensor, reason, line: line, sourceLocation: sourceLocation)
  }

  /// Opens a file that must be accepted; its folder is removed, the open file stays readable.
  static func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
    let folder = TemporaryFolder()
    return try SafetensorsFile(path: folder.write(bytes, to: "good.safetensors"))
  }
}
