import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Synchronization
import Tensors
import TestSupport
import Testing

/// Writing containers.
@Suite struct WriterTests {
  private let folder = TemporaryFolder()

  /// Tensors of several pieces and of few bytes, some that compress and some that don't.
  private static let mixed = Result {
    let random = try MemoryTensorSource.random([
      ("normal", .f32, [300, 1000]), ("wide", .f64, [150_000]), ("small", .f16, [5]),
      ("brain", .bf16, [3, 200_000]), ("empty", .f32, [0]),
    ])
    let zeros = try TensorInfo(name: "zeros", dtype: .f32, shape: [600_000])
    return MemoryTensorSource(
      label: "mixed",
      tensors: try random.tensors.indices.map { (random.tensors[$0], try random.bytes(of: $0)) }
        + [(zeros, [UInt8](repeating: 0, count: zeros.byteCount))])
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    try ReadableFile.contents(of: folder.file(name), limit: 1 << 25)
  }

  @Test("the same bytes with 1, 2 and 7 threads", arguments: ContainerCompression.allCases)
  func determinism(_ compression: ContainerCompression) throws {
    let source = try Self.mixed.get()
    for threads in [1, 2, 7] {
      try ContainerWriter(compression: compression, threads: threads).write(
        description: "{}", source: source, to: folder.file("\(threads)"), replacing: false)
    }
    let first = try bytes("1")
    #expect(try bytes("2") == first)
    #expect(try bytes("7") == first)
  }

  @Test("what is compressed, by how it was asked for")
  func compression() throws {
    let source = try Self.mixed.get()
    func chunks(_ compression: ContainerCompression) throws -> [ChunkInfo] {
      try ContainerWriter(compression: compression).write(
        description: String(repeating: "{}", count: 500), source: source,
        to: folder.file("x.reslora"), replacing: true
      ).chunks
    }
    for chunk in try chunks(.none) {
      #expect(chunk.isStoredRaw && chunk.storedLength == chunk.rawLength)
    }
    for chunk in try chunks(.automatic) {
      #expect(chunk.compression != .zlib)
      if chunk.isStoredRaw { continue }
      #expect(chunk.storedLength <= chunk.rawLength - max(64, chunk.rawLength / 32))
      #expect(chunk.type == .data || chunk.shuffle == 1)
    }
    let zlib = try chunks(.zlib)
    #expect(zlib.contains { $0.compression == .zlib && $0.shuffle == 8 })
    #expect(!zlib.contains { $0.compression == .zstd })
    let zstd = try chunks(.zstd)
    #expect(zstd[0].compression == .zstd && zstd[0].storedLength < 100)
    // Ten bytes gain nothing.
    #expect(zstd[5].rawLength == 10 && zstd[5].isStoredRaw)
  }

  @Test("a container without tensors, and one without compression, equal the builder's")
  func bytesOfBuilder() throws {
    var builder = ContainerBuilder.small
    builder.tensors.append(.init("none", dtype: 1, shape: [0, 3], raw: []))
    builder.tensors.append(.init("scalar", dtype: 3, shape: [], raw: [0, 0x3C]))
    builder.ancillary = [.init("noTe", [1, 2, 3])]
    let source = MemoryTensorSource(
      label: "small",
      tensors: [
        (try TensorInfo(name: "a", dtype: .f32, shape: [2, 2]), builder.tensors[0].raw),
        (try TensorInfo(name: "b", dtype: .bf16, shape: [3]), builder.tensors[1].raw),
        (try TensorInfo(name: "none", dtype: .f64, shape: [0, 3]), []),
        (try TensorInfo(name: "scalar", dtype: .f16, shape: []), [0, 0x3C]),
      ])
    let type = try #require(ChunkType("noTe"))
    let description = String(decoding: builder.description, as: UTF8.self)
    try ContainerWriter(compression: .none).write(
      description: description, source: source,
      ancillary: [AncillaryChunk(type: type, bytes: [1, 2, 3])], to: folder.file("x"),
      replacing: false)
    #expect(try bytes("x") == builder.bytes)
    var empty = ContainerBuilder()
    empty.description = []
    try ContainerWriter().write(
      description: "", tensors: [], to: folder.file("empty"), replacing: false)
    #expect(try bytes("empty") == empty.bytes)
    try Opening.expectAccepted(empty.bytes)
  }

  @Test(
    "what the format can't hold is refused before anything is written",
    arguments: [
      ("x", DType.i64, .unsupportedDType(found: .i64), "x"), ("", .f32, .badName(tensor: 1), nil),
      ("a\0b", .f32, .badName(tensor: 1), nil), ("first", .f32, .duplicateName, "first"),
      (String(repeating: "n", count: 65_536), .f32, .badName(tensor: 1), nil),
    ] as [(String, DType, ContainerProblem, TensorName?)])
  func refused(
    _ name: String, _ dtype: DType, _ problem: ContainerProblem, _ subject: TensorName?
  ) throws {
    let path = folder.file("x.reslora")
    let infos = [
      try TensorInfo(name: "first", dtype: .f32, shape: [1]),
      try TensorInfo(name: TensorName(name), dtype: dtype, shape: [1]),
    ]
    let references = infos.map {
      TensorReference(
        source: MemoryTensorSource(
          label: "one", tensors: [($0, [UInt8](repeating: 0, count: $0.byteCount))]), index: 0)
    }
    #expect(
      throws: ContainerError(path: path, subject: .init(tensor: subject), problem: problem)
    ) {
      try ContainerWriter().write(
        description: "{}", tensors: references, to: path, replacing: false)
    }
    #expect(folder.entries == [])
  }

  @Test("progress comes in order and once more at the end; an error of it stops the writer")
  func progress() throws {
    let source = try Self.mixed.get()
    let total = source.tensors.reduce(0) { $0 + $1.byteCount }
    let seen = Mutex<[Int]>([])
    try ContainerWriter(threads: 3) { done, of in
      #expect(of == total)
      seen.withLock { $0.append(done) }
    }.write(description: "{}", source: source, to: folder.file("x"), replacing: false)
    let values = seen.withLock { $0 }
    #expect(values == values.sorted())
    #expect(values.suffix(2) == [total, total])
    struct Stop: Error, Equatable {}
    for threads in [1, 4] {
      #expect(throws: Stop()) {
        try ContainerWriter(threads: threads) { done, _ in
          if done > 2_000_000 { throw Stop() }
        }.write(description: "{}", source: source, to: folder.file("y"), replacing: false)
      }
    }
    #expect(folder.entries == ["x"])
  }

  @Test("an error of a source is the one of the earliest piece, whatever the threads")
  func sourceFails() throws {
    struct Failure: Error, Equatable { let offset: Int }
    struct Failing: TensorSource {
      let label = "failing"
      let tensors: [TensorInfo]
      func index(of name: TensorName) -> Int? { nil }
      func read(tensor: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        if offset >= 3 << 20 { throw Failure(offset: offset) }
        buffer.initializeMemory(as: UInt8.self, repeating: 1)
      }
    }
    let source = Failing(tensors: [try TensorInfo(name: "t", dtype: .f32, shape: [2 << 20])])
    for threads in [1, 2, 7] {
      #expect(throws: Failure(offset: 3 << 20)) {
        try ContainerWriter(threads: threads).write(
          description: "{}", source: source, to: folder.file("x"), replacing: false)
      }
    }
    #expect(folder.entries == [])
  }

  @Test("tensors are streamed: pieces of 1 MiB, no more of them at once than threads")
  func streaming() throws {
    final class Watched: TensorSource {
      let label = "watched"
      let tensors: [TensorInfo]
      let ahead = Mutex<(read: Int, written: Int, most: Int)>((0, 0, 0))
      init(_ tensors: [TensorInfo]) { self.tensors = tensors }
      func index(of name: TensorName) -> Int? { nil }
      func read(tensor: Int, at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        #expect(buffer.count <= 1 << 20)
        ahead.withLock {
          $0.read += 1
          $0.most = max($0.most, $0.read - $0.written)
        }
        buffer.initializeMemory(as: UInt8.self, repeating: UInt8(tensor))
      }
    }
    for threads in [1, 3] {
      let source = Watched([
        try TensorInfo(name: "t", dtype: .f32, shape: [3 << 20]),
        try TensorInfo(name: "u", dtype: .bf16, shape: [1 << 20]),
      ])
      try ContainerWriter(threads: threads) { _, _ in
        source.ahead.withLock { $0.written += 1 }
      }.write(description: "{}", source: source, to: folder.file("x"), replacing: true)
      #expect(source.ahead.withLock { $0.read } == 14)
      #expect(source.ahead.withLock { $0.most } <= threads)
    }
  }

  @Test("a path that is taken, with and without leave to replace")
  func replacing() throws {
    let path = try folder.write([1, 2, 3], to: "x.reslora")
    let source = try Self.mixed.get()
    #expect(throws: FileError.exists(path: path)) {
      try ContainerWriter().write(description: "{}", source: source, to: path, replacing: false)
    }
    #expect(try bytes("x.reslora") == [1, 2, 3])
    try ContainerWriter().write(description: "{}", source: source, to: path, replacing: true)
    #expect(try ContainerFile(path: path).tensors == source.tensors)
    #expect(folder.entries == ["x.reslora"])
  }

  @Test("what the disk changed is found before the file gets its name")
  func damagedOnDisk() throws {
    let source = try Self.mixed.get()
    let path = folder.file("x.reslora")
    let error = #expect(throws: FileError.self) {
      try ContainerWriter(compression: .none) { [folder] done, total in
        // The last piece is not written yet; the first one is.
        if done == total, let name = folder.entries.first {
          try FileSystem.overwrite(folder.file(name), at: 200, with: [0xAA, 0x55])
        }
      }.write(description: "{}", source: source, to: path, replacing: false)
    }
    #expect(error == .damaged(path: path, offset: 128))
    #expect(folder.entries == [])
  }
}
