import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

/// Descriptions and tables of more than one chunk: Container §4.1.
@Suite struct LargePartTests {
  private typealias Subject = ContainerError.Subject
  private static let full = 16 << 20

  private let folder = TemporaryFolder()
  private var path: String { folder.file("x.reslora") }

  /// A small container of which the description lies in pieces of these lengths.
  private func pieces(_ lengths: Int...) -> [UInt8] {
    var builder = ContainerBuilder.small
    builder.editChunks = { chunks in
      chunks.replaceSubrange(
        0..<1, with: lengths.map { .init("ADPT", [UInt8](repeating: 0x20, count: $0)) })
    }
    return builder.bytes
  }

  @Test("a description of 16 MiB is one chunk, one byte more makes it two", arguments: [0, 1])
  func description(_ more: Int) throws {
    let text = String(repeating: "é", count: Self.full / 2) + String(repeating: "{", count: more)
    let source = try MemoryTensorSource.random([("a", .f32, [2, 3]), ("b", .f16, [2])])
    let summary = try ContainerWriter().write(
      description: text, source: source, to: path, replacing: false)
    let lengths = summary.chunks.filter { $0.type == .description }.map(\.rawLength)
    #expect(lengths == (more == 0 ? [Self.full] : [Self.full, 1]))
    let file = try ContainerFile(path: path)
    #expect(file.description == text)
    for tensor in source.tensors.indices {
      #expect(try file.bytes(of: tensor) == source.bytes(of: tensor))
    }
    #expect(try ContainerValidation(of: ReadableFile(path: path)).errors == [])
  }

  @Test("a table of more than 16 MiB")
  func table() throws {
    let filler = String(repeating: "x", count: 4000)
    let tensors = try (0..<4300).map {
      try TensorInfo(name: TensorName("\($0)\(filler)"), dtype: .f32, shape: [$0 == 4200 ? 2 : 0])
    }
    let source = MemoryTensorSource(
      label: "many",
      tensors: tensors.map { ($0, [UInt8]((1...8).prefix($0.byteCount))) })
    let summary = try ContainerWriter().write(
      description: "{}", source: source, to: path, replacing: false)
    let lengths = summary.chunks.filter { $0.type == .tensors }.map(\.rawLength)
    #expect(lengths.count == 2 && lengths.first == Self.full)
    let file = try ContainerFile(path: path)
    #expect(file.tensors == tensors)
    #expect(try file.bytes(of: 4200) == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(try ContainerValidation(of: ReadableFile(path: path)).errors == [])
  }

  @Test("pieces that other writers may have made")
  func read() throws {
    #expect(
      try Opening.open(pieces(Self.full, 7)).description
        == String(repeating: " ", count: Self.full + 7))
  }

  @Test("a piece before the last that is not full")
  func partial() throws {
    try Refusal.expect(
      pieces(1 << 10, 7), .partPiece(found: 1 << 10, expected: Self.full),
      Subject(chunk: 0, type: .description),
      line: "chunk 0 (ADPT): bad raw length of a piece before the last (found 1024 bytes, expected "
        + "16777216) [Container §4.1]")
  }

  @Test("a last piece that is empty")
  func empty() throws {
    try Refusal.expect(
      pieces(Self.full, 0), .partPiece(found: 0, expected: nil),
      Subject(chunk: 1, type: .description),
      line: "chunk 1 (ADPT): last piece is empty [Container §4.1]")
  }

  @Test("more than 100,000,000 bytes are not written")
  func tooLarge() throws {
    let size = 100_000_001
    let line =
      "\(path): description too large (found 100000001 bytes, expected at most 100000000) "
      + "[Container §4.1]"
    let error = #expect(throws: ContainerError.self) {
      try ContainerWriter().write(
        description: String(repeating: " ", count: size), tensors: [], to: path, replacing: false)
    }
    #expect(error?.description == line)
    #expect(folder.entries == [])
  }
}
