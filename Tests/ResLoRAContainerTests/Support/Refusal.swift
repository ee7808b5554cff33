import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

/// What tests expect of files that break a rule.
enum Refusal {
  /// Expects that opening a file is refused for one reason, in these words after its path, and
  /// that a whole check finds the same first.
  static func expect(
    _ bytes: [UInt8], _ problem: ContainerProblem, _ subject: ContainerError.Subject = .file,
    line: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = TemporaryFolder()
    let path = folder.file("bad.reslora")
    try FileSystem.write(bytes, to: path)
    let expected = ContainerError(path: path, subject: subject, problem: problem)
    let error = #expect(throws: ContainerError.self, sourceLocation: sourceLocation) {
      try ContainerFile(path: path)
    }
    #expect(error == expected, sourceLocation: sourceLocation)
    if let line {
      #expect(error?.description == "\(path): \(line)", sourceLocation: sourceLocation)
    }
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    #expect(validation.errors.first == expected, sourceLocation: sourceLocation)
    #expect(validation.file == nil, sourceLocation: sourceLocation)
    #expect(folder.entries == ["bad.reslora"], sourceLocation: sourceLocation)
  }

  /// Expects that a file opens and that reading a tensor, whole and each of its bytes alone, is
  /// refused for one reason; a whole check finds the same first.
  static func expectReading(
    _ tensor: Int, of bytes: [UInt8], _ problem: ContainerProblem,
    _ subject: ContainerError.Subject, line: String? = nil, alsoInPart: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = TemporaryFolder()
    let path = folder.file("bad.reslora")
    try FileSystem.write(bytes, to: path)
    let expected = ContainerError(path: path, subject: subject, problem: problem)
    let file = try ContainerFile(path: path)
    let error = #expect(throws: ContainerError.self, sourceLocation: sourceLocation) {
      try file.bytes(of: tensor)
    }
    #expect(error == expected, sourceLocation: sourceLocation)
    if let line {
      #expect(error?.description == "\(path): \(line)", sourceLocation: sourceLocation)
    }
    if alsoInPart {
      #expect(throws: expected, sourceLocation: sourceLocation) {
        try file.part(of: tensor, 0..<1)
      }
    }
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    #expect(validation.errors.first == expected, sourceLocation: sourceLocation)
  }
}

extension ContainerFile {
  /// Some bytes of a tensor.
  func part(of tensor: Int, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    try bytes.withUnsafeMutableBytes { try read(tensor: tensor, at: range.lowerBound, into: $0) }
    return bytes
  }
}

extension ContainerBuilder {
  /// A container of one tensor `z` of zeros, F32 [count], in one chunk that is stored so.
  static func zeros(
    _ count: Int, _ stored: [UInt8], compression: UInt8, shuffle: UInt8 = 1
  ) -> ContainerBuilder {
    var builder = ContainerBuilder()
    builder.tensors = [
      Tensor(
        "z", shape: [UInt64(count)], raw: [UInt8](repeating: 0, count: 4 * count),
        chunks: [
          Chunk("DATA", stored, compression: compression, shuffle: shuffle, raw: 4 * count)
        ])
    ]
    return builder
  }

  static let data1 = ContainerError.Subject(chunk: 1, type: .data)
}
