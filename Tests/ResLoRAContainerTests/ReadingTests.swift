import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

/// Reading tensors and ancillary chunks of an open file.
@Suite struct ReadingTests {
  private let folder = TemporaryFolder()

  /// Tensors of one to three pieces.
  private static let source = Result {
    try MemoryTensorSource.random([
      ("long", .f32, [700_000]), ("short", .bf16, [77]), ("exact", .f64, [131_072]),
    ])
  }

  /// Those in a file of the writer.
  private func written(
    _ compression: ContainerCompression, threads: Int = 1
  ) throws -> (source: MemoryTensorSource, file: ContainerFile) {
    let source = try Self.source.get()
    let path = folder.file("\(compression).reslora")
    try ContainerWriter(compression: compression).write(
      description: "{}", source: source, to: path, replacing: false)
    return (source, try ContainerFile(path: path, threads: threads))
  }

  @Test("parts at odd offsets", arguments: ContainerCompression.allCases)
  func parts(_ compression: ContainerCompression) throws {
    let (source, file) = try written(compression)
    let whole = try source.bytes(of: 0)
    let piece = 1 << 20
    for range in [
      0..<1, 1..<2, 0..<piece, 1..<piece, 1..<(piece + 1), (piece - 1)..<(piece + 1),
      (piece - 3)..<(2 * piece + 5), piece..<(2 * piece), (2 * piece + 7)..<2_800_000,
      2_799_999..<2_800_000, 0..<2_799_999, 5..<5,
    ] {
      #expect(try file.part(of: 0, range) == Array(whole[range]), "\(range)")
    }
    #expect(try file.part(of: 1, 3..<154) == Array(source.bytes(of: 1)[3...]))
  }

  @Test("whole tensors with several threads", arguments: ContainerCompression.allCases)
  func threads(_ compression: ContainerCompression) throws {
    let (source, file) = try written(compression, threads: 3)
    #expect(file.threads == 3)
    for index in source.tensors.indices {
      #expect(try file.bytes(of: index) == source.bytes(of: index))
    }
  }

  @Test("one file read by several threads at once")
  func concurrentReaders() throws {
    let (source, file) = try written(.automatic)
    let same = try Parallel.map(24, threads: 4) { task in
      let index = task % 3
      if task % 2 == 0 { return try file.bytes(of: index) == source.bytes(of: index) }
      let range = task..<(source.tensors[index].byteCount - task)
      return try file.part(of: index, range) == Array(source.bytes(of: index)[range])
    }
    #expect(same.allSatisfy { $0 })
  }

  @Test("damage is found by several threads, at the lowest chunk")
  func damagedWithThreads() throws {
    let (_, file) = try written(.none)
    let path = folder.file("damaged.reslora")
    var bytes = try ReadableFile.contents(of: file.label, limit: 1 << 24)
    for chunk in file.chunks(ofTensor: 0) { bytes[chunk.offset + 100] ^= 1 }
    try OutputFile.write(bytes, to: path, replacing: false)
    let damaged = try ContainerFile(path: path, threads: 3)
    let error = #expect(throws: ContainerError.self) { try damaged.bytes(of: 0) }
    #expect(error?.subject == .init(chunk: 1, type: .data, tensor: "long"))
  }

  @Test("ranges to be used in place")
  func storedRanges() throws {
    let (source, file) = try written(.none)
    let readable = try ReadableFile(path: file.label)
    for index in source.tensors.indices {
      let range = try #require(file.storedRange(ofTensor: index))
      #expect(range.lowerBound % 64 == 0)
      #expect(
        try readable.bytes(at: range.lowerBound, count: range.count) == source.bytes(of: index))
    }
    // Random mantissas of float64 save too little, the exponents of float32 enough.
    let (_, compressed) = try written(.zstd)
    #expect(compressed.storedRange(ofTensor: 0) == nil)
    var builder = ContainerBuilder.small
    builder.tensors.append(.init("none", shape: [0], raw: []))
    let small = try Opening.open(builder.bytes)
    #expect(small.storedRange(ofTensor: 0) == 128..<144)
    #expect(small.storedRange(ofTensor: 2) == nil)
    #expect(try small.bytes(of: 2) == [])
    builder.tensors[1].chunks[0].shuffle = 2
    #expect(try Opening.open(builder.bytes).storedRange(ofTensor: 1) == nil)
  }

  @Test("zeros that compress a thousand to one, up to the largest chunk")
  func zeros() throws {
    let content = [UInt8](repeating: 0, count: 4 << 20)
    let source = MemoryTensorSource(
      label: "zeros",
      tensors: [(try TensorInfo(name: "z", dtype: .f32, shape: [1 << 20]), content)])
    let path = folder.file("zeros.reslora")
    let summary = try ContainerWriter().write(
      description: "{}", source: source, to: path, replacing: false)
    #expect(summary.size < content.count / 1000)
    #expect(try ContainerFile(path: path).bytes(of: 0) == content)
    // One chunk of 16 MiB: 128 blocks of 128 KiB, each one byte repeated.
    let block = ContainerBuilder.number((128 << 13) | 2, 3) + [0]
    var last = block
    last[0] |= 1
    let frame =
      [0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 0, 1] + (0..<127).flatMap { _ in block } + last
    let large = ContainerBuilder.zeros(4 << 20, frame, compression: 2, shuffle: 4).bytes
    #expect(try Opening.open(large).part(of: 0, 9_999_999..<10_000_009).allSatisfy { $0 == 0 })
  }

  @Test("82: ancillary chunks are kept by a rewrite, in order, raw bytes unchanged")
  func ancillary() throws {
    var builder = ContainerBuilder.small
    builder.ancillary = [
      .init("noTe", Array("text".utf8)), .init("zero", []),
      .init(
        "zzzz", [0x28, 0xB5, 0x2F, 0xFD, 0x60, 0, 0, 3, 8, 0, 0], compression: 2, raw: 256),
      .init("noTe", [1]),
    ]
    let file = try Opening.open(builder.bytes)
    #expect(file.ancillaryChunks.map(\.type.letters) == ["noTe", "zero", "zzzz", "noTe"])
    #expect(file.ancillaryChunks.map(\.byteCount) == [4, 0, 256, 1])
    let path = folder.file("rewritten.reslora")
    try ContainerWriter().write(
      description: file.description, source: file, ancillary: file.ancillaryChunks, to: path,
      replacing: false)
    let again = try ContainerFile(path: path)
    #expect(again.identity == file.identity)
    #expect(again.ancillaryChunks.map(\.type) == file.ancillaryChunks.map(\.type))
    for (new, old) in zip(again.ancillaryChunks, file.ancillaryChunks) {
      #expect(try new.bytes() == old.bytes())
    }
    #expect(try again.rawBytes(of: again.chunks[0]) == builder.description)
  }

  @Test("a damaged ancillary chunk does not keep tensors from being read")
  func damagedAncillary() throws {
    var builder = ContainerBuilder.small
    builder.ancillary = [.init("noTe", [1, 2], checksum: 5)]
    let file = try Opening.open(builder.bytes)
    #expect(try file.bytes(of: 0) == builder.tensors[0].raw)
    let error = #expect(throws: ContainerError.self) { try file.ancillaryChunks[0].bytes() }
    #expect(error?.subject == .init(chunk: 4, type: ChunkType("noTe")))
  }

  @Test("a file that is shortened after it was opened is reported, not read")
  func shortened() throws {
    let (_, file) = try written(.none)
    let bytes = try ReadableFile.contents(of: file.label, limit: 1 << 24)
    let path = try folder.write(bytes, to: "shortened.reslora")
    let open = try ContainerFile(path: path)
    // The same file, cut: a new one in its place would leave the open one as it is.
    try FileSystem.truncate(path, to: 1 << 20)
    let error = #expect(throws: FileError.self) { try open.bytes(of: 0) }
    #expect(error == .endedEarly(path: path, offset: 1 << 20, missing: 128))
  }

  @Test("types and chunks as a listing shows them")
  func listing() throws {
    let (_, file) = try written(.zlib)
    #expect(file.chunks.map(\.type.letters).first == "ADPT")
    #expect(file.chunks(ofTensor: 0).map(\.rawLength) == [1 << 20, 1 << 20, 702_848])
    #expect(file.chunks(ofTensor: 0).allSatisfy { $0.compression == .zlib && $0.shuffle == 4 })
    #expect("\(file.chunks[1].type) \(file.chunks[1].compression)" == "DATA zlib")
    #expect(ChunkType("DATA") == .data && ChunkType("dATA")?.isCritical == false)
    for letters in ["", "ABC", "ABCDE", "AB1D", "ÄBC", "AB D", "AB\0D"] {
      #expect(ChunkType(letters) == nil)
    }
  }
}
