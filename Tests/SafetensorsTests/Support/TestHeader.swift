import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// Safetensors files as tests describe them, right or wrong.
enum TestHeader {
  /// A file of a header's text and as many zeros of data.
  static func file(_ header: String, data: Int = 0) -> [UInt8] {
    file(Array(header.utf8), data: data)
  }

  static func file(_ header: [UInt8], data: Int = 0) -> [UInt8] {
    length(UInt64(header.count)) + header + [UInt8](repeating: 0, count: data)
  }

  /// The eight bytes before the header.
  static func length(_ length: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) }
  }

  /// One entry; name and values as they stand in the text.
  static func entry(
    _ name: String = "x", dtype: String = "F32", shape: String = "[1]", offsets: String = "[0,4]"
  ) -> String {
    #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

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
