import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// Writing files tensor by tensor.
@Suite struct WriterTests {
  private let folder = TemporaryFolder()

  private func infos() throws -> [TensorInfo] {
    [
      try TensorInfo(name: "a", dtype: .f32, shape: [2, 2]),
      try TensorInfo(name: "b", dtype: .u8, shape: [5]),
      try TensorInfo(name: "none", dtype: .f16, shape: [0]),
    ]
  }

  private func makeWriter(replacing: Bool = false) throws -> SafetensorsWriter {
    try SafetensorsWriter(
      path: folder.file("x.safetensors"),
      layout: SafetensorsLayout(tensors: infos(), metadata: [("format", "pt")]),
      replacing: replacing)
  }

  private func fill(_ writer: SafetensorsWriter) throws {
    for (index, info) in writer.tensors.enumerated() {
      let bytes = GoldenFile.content(index, count: info.byteCount)
      try bytes.withUnsafeBytes { try writer.write($0, tensor: index, at: 0) }
    }
  }

  @Test("nothing is visible before the commit, and only the file after it")
  func commit() throws {
    let writer = try makeWriter()
    try fill(writer)
    #expect(!folder.entries.contains("x.safetensors"))
    #expect(folder.entries.allSatisfy { $0.hasPrefix(".") && $0.hasSuffix(".partial") })
    try writer.commit()
    #expect(folder.entries == ["x.safetensors"])
    let file = try SafetensorsFile(path: writer.path)
    #expect(file.tensors == writer.tensors)
    #expect(file.header.metadata.map(\.value) == ["pt"])
    for (index, info) in file.tensors.enumerated() {
      #expect(try file.bytes(of: index) == GoldenFile.content(index, count: info.byteCount))
    }
  }

  static let unreadableRows: [(name: String, value: String, error: SafetensorsError.Reason)] = [
    ("__metadata__", "x", .reservedName),
    (
      String(repeating: "x", count: 4097), "x",
      .nameTooLong(found: 4097, limit: SafetensorsHeader.maximumNameSize)
    ),
    (
      "a", String(repeating: "x", count: 16 << 20),
      .metadataTooLarge(limit: ReadingLimits().metadataBytes)
    ),
  ]

  @Test("a file that could not be read again is not begun", arguments: unreadableRows.indices)
  func unreadable(_ number: Int) throws {
    let row = Self.unreadableRows[number]
    let info = try TensorInfo(name: TensorName(row.name), dtype: .u8, shape: [1])
    for metadata in row.value == "x" ? [[], [("k", row.value)]] : [[("k", row.value)]] {
      let error = #expect(throws: SafetensorsError.self) {
        try SafetensorsWriter(
          path: folder.file("x"), layout: SafetensorsLayout(tensors: [info], metadata: metadata),
          replacing: false)
      }
      #expect(error?.reason == row.error)
      // Of a name that is too long, the error shows the begin.
      let shown = row.name.count > 32 ? TensorName("\(row.name.prefix(32))…") : info.name
      #expect(error?.tensor == (row.value == "x" ? shown : nil))
    }
    #expect(folder.entries == [])
  }

  @Test("a writer that is dropped leaves nothing, and an old file as it was")
  func dropped() throws {
    try folder.write([1, 2, 3], to: "x.safetensors")
    do {
      let writer = try makeWriter(replacing: true)
      try fill(writer)
      #expect(try ReadableFile.contents(of: writer.path, limit: 9) == [1, 2, 3])
    }
    #expect(folder.entries == ["x.safetensors"])
    #expect(try ReadableFile.contents(of: folder.file("x.safetensors"), limit: 9) == [1, 2, 3])
  }

  @Test("a path that is taken, with and without leave to replace")
  func replacing() throws {
    let path = try folder.write([1, 2, 3], to: "x.safetensors")
    let error = #expect(throws: FileError.self) { try makeWriter() }
    #expect(error == .exists(path: path))
    #expect(
      error?.description == "\(path): exists already; name another output or pass --force")
    let writer = try makeWriter(replacing: true)
    try fill(writer)
    try writer.commit()
    #expect(try SafetensorsFile(path: path).tensors.count == 3)
    #expect(folder.entries == ["x.safetensors"])
  }

  @Test("pieces in any order, and reading them back before the commit")
  func pieces() throws {
    let writer = try makeWriter()
    let content = GoldenFile.content(3, count: 16)
    for offset in [12, 0, 8, 4] {
      try Array(content[offset..<(offset + 4)]).withUnsafeBytes {
        try writer.write($0, tensor: 0, at: offset)
      }
    }
    var back = [UInt8](repeating: 0, count: 6)
    try back.withUnsafeMutableBytes { try writer.readBack(tensor: 0, at: 5, into: $0) }
    #expect(back == Array(content[5..<11]))
    try writer.synchronize()
    try writer.commit()
    let file = try SafetensorsFile(path: writer.path)
    #expect(try file.bytes(of: 0) == content)
    // What was never written is zero.
    #expect(try file.bytes(of: 2) == [0, 0, 0, 0, 0])
  }

  @Test("what a file system would not share is left to be written", arguments: [true, false])
  func sharing(_ fromFile: Bool) throws {
    let memory = MemoryTensorSource(
      label: "memory",
      tensors: [(try TensorInfo(name: "b", dtype: .u8, shape: [5]), [1, 2, 3, 4, 5])])
    try SafetensorsWriter.write(
      memory, metadata: [], to: folder.file("in.safetensors"), replacing: false)
    let source: any TensorSource =
      fromFile ? try SafetensorsFile(path: folder.file("in.safetensors")) : memory
    let reference = TensorReference(source: source, index: 0)
    let writer = try makeWriter()
    let target = try #require(writer.tensors.firstIndex { $0.name == "b" })
    // Less than a block is never shared.
    #expect(try !writer.share(reference, at: 0, count: 5, tensor: target))
  }

  @Test("shared or written, a large tensor arrives whole, its ends too")
  func sharedBlocks() throws {
    let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    let info = try TensorInfo(name: "large", dtype: .u8, shape: [bytes.count])
    let memory = MemoryTensorSource(label: "memory", tensors: [(info, bytes)])
    let path = folder.file("in.safetensors")
    try SafetensorsWriter.write(memory, metadata: [], to: path, replacing: false)
    let source = try SafetensorsFile(path: path)
    let layout = SafetensorsLayout(
      ordered: [info], metadata: [("k", String(repeating: "v", count: 100))],
      alignedWith: source.header.dataStart)
    #expect((layout.offsets[0] - source.header.dataStart) % 4096 == 0)
    let writer = try SafetensorsWriter(
      path: folder.file("out.safetensors"), layout: layout, replacing: false)
    let reference = TensorReference(source: source, index: 0)
    if try !writer.share(reference, at: 0, count: bytes.count, tensor: 0) {
      try bytes.withUnsafeBytes { try writer.write($0, tensor: 0, at: 0) }
    }
    try writer.commit()
    #expect(try SafetensorsFile(path: writer.path).bytes(of: 0) == bytes)
  }

  @Test("a header overwritten on the disk before the commit is found, and nothing appears")
  func damagedHeader() throws {
    let writer = try makeWriter()
    try fill(writer)
    let name = try #require(folder.entries.first)
    try FileSystem.truncate(folder.file(name), to: 8)
    try FileSystem.truncate(folder.file(name), to: writer.layout.fileSize)
    #expect(throws: FileError.damaged(path: writer.path, offset: 0)) { try writer.commit() }
    #expect(!folder.entries.contains("x.safetensors"))
  }

  @Test("a file that lost its end on the disk is found, and nothing appears")
  func lostEnd() throws {
    let writer = try makeWriter()
    try fill(writer)
    let name = try #require(folder.entries.first)
    let size = writer.layout.fileSize
    try FileSystem.truncate(folder.file(name), to: size - 1)
    #expect(
      throws: FileError.wrongSize(path: writer.path, found: size - 1, expected: size)
    ) { try writer.commit() }
    #expect(!folder.entries.contains("x.safetensors"))
  }
}
