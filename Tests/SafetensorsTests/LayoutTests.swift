import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Layouts against the reference implementation's files, byte for byte.
@Suite struct LayoutTests {
  private func source(_ golden: GoldenFile) throws -> MemoryTensorSource {
    MemoryTensorSource(
      label: "golden",
      tensors: try golden.tensors.enumerated().map { position, tensor in
        let info = try TensorInfo(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
        return (info, GoldenFile.content(position, count: info.byteCount))
      })
  }

  @Test("a written file equals the reference's", arguments: GoldenFile.all)
  func golden(_ golden: GoldenFile) throws {
    let folder = TemporaryFolder()
    let path = folder.file("golden.safetensors")
    try SafetensorsWriter.write(
      source(golden), metadata: golden.metadata, to: path, replacing: false)
    #expect(try ReadableFile.contents(of: path, limit: 1 << 20) == golden.bytes)
  }

  @Test("the reference's files are read", arguments: GoldenFile.all)
  func readsGolden(_ golden: GoldenFile) throws {
    let file = try TestHeader.open(golden.bytes)
    let source = try source(golden)
    #expect(file.tensors.count == source.tensors.count)
    for (index, info) in source.tensors.enumerated() {
      let position = try #require(file.index(of: info.name))
      #expect(file.tensors[position] == info)
      #expect(try file.bytes(of: position) == GoldenFile.content(index, count: info.byteCount))
    }
    #expect(file.header.metadata.map(\.key) == golden.metadata.map(\.key))
    #expect(file.header.metadata.map(\.value) == golden.metadata.map(\.value))
  }

  @Test("the order given does not matter", arguments: [1, 2, 3] as [UInt64])
  func anyOrder(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let tensors = try source(.dtypes).tensors
    let layout = SafetensorsLayout(tensors: tensors.shuffled(using: &generator), metadata: [])
    #expect(layout.headerBytes == SafetensorsLayout(tensors: tensors, metadata: []).headerBytes)
  }

  @Test("the header is padded with spaces to a multiple of 8", arguments: 1...8)
  func padding(_ length: Int) throws {
    let name = String(repeating: "n", count: length)
    let info = try TensorInfo(name: TensorName(name), dtype: .u8, shape: [1])
    let layout = SafetensorsLayout(tensors: [info], metadata: [])
    let text = #"{"\#(name)":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
    let header = String(decoding: layout.headerBytes.dropFirst(8), as: UTF8.self)
    #expect(layout.headerBytes.count % 8 == 0)
    #expect(header.hasPrefix(text))
    #expect(header.utf8.count - text.utf8.count == (8 - text.utf8.count % 8) % 8)
    #expect(header.dropFirst(text.count).allSatisfy { $0 == " " })
    #expect(layout.offsets == [layout.headerBytes.count])
    #expect(layout.fileSize == layout.headerBytes.count + 1)
  }

  @Test("the 6-bit floats lie between the 4-bit one and the bytes")
  func sixBits() throws {
    let dtypes: [DType] = [.f4, .u8, .f6E3M2, .bool, .f6E2M3]
    let tensors = try dtypes.map {
      try TensorInfo(name: TensorName($0.rawValue), dtype: $0, shape: [4])
    }
    let layout = SafetensorsLayout(tensors: tensors, metadata: [])
    #expect(layout.tensors.map(\.dtype) == [.u8, .f6E3M2, .f6E2M3, .f4, .bool])
    #expect(layout.fileSize - layout.headerBytes.count == 4 + 3 + 3 + 2 + 4)
  }

  @Test("an ordered layout keeps the order given, metadata too")
  func ordered() throws {
    let tensors = try ["z", "a", "m"].map {
      try TensorInfo(name: $0, dtype: $0 == "a" ? .f64 : .u8, shape: [2])
    }
    let layout = SafetensorsLayout(ordered: tensors, metadata: [("z", "1"), ("a", "2")])
    let start = layout.headerBytes.count
    #expect(layout.tensors == tensors)
    #expect(layout.offsets == [start, start + 2, start + 18])
    #expect(layout.fileSize == start + 20)
    let file = try TestHeader.open(layout.headerBytes + [UInt8](repeating: 0, count: 20))
    #expect(file.tensors == tensors)
    #expect(file.header.metadata.map(\.key) == ["z", "a"])
  }

  @Test(
    "a preserving layout keeps the header's bytes",
    arguments: [
      " \n{ \"__metadata__\":null, \"x\" :{\"more\":1,\"dtype\":\"F32\",\"shape\":[1],"
        + "\"data_offsets\":[4,8]},\"\\u0061\":{\"data_offsets\":[0,4],\"dtype\":\"U8\",\"shape\":[4]}}\t ",
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    ])
  func preserving(_ header: String) throws {
    let bytes = TestHeader.file(header) + [1, 2, 3, 4, 5, 6, 7, 8]
    let file = try TestHeader.open(bytes)
    let layout = SafetensorsLayout(preserving: file.header)
    #expect(layout.headerBytes == Array(bytes.dropLast(8)))
    #expect(layout.tensors.map(\.name) == ["a", "x"])
    #expect(layout.offsets == [8 + header.utf8.count, 12 + header.utf8.count])
    #expect(layout.fileSize == bytes.count)
  }

  /// All safetensors files below a folder.
  private static func files(below folder: String) -> [String] {
    ((try? Paths.entries(of: folder)) ?? []).flatMap { name -> [String] in
      let path = Paths.join(folder, name)
      if (try? Paths.kind(of: path)) == .folder { return files(below: path) }
      return Paths.fileExtension(of: name) == "safetensors" ? [path] : []
    }
  }

  @Test("every fixture that the reference wrote, laid out anew, has its own bytes")
  func fixtures() throws {
    // Those of undo files have orders of their own on purpose.
    let paths = LayoutTests.files(below: TestFiles.fixture("")).filter { !$0.contains("/undo/") }
    try #require(paths.count > 50)
    let folder = TemporaryFolder()
    for path in paths {
      let file = try SafetensorsFile(path: path)
      let source = MemoryTensorSource(
        label: path,
        tensors: try file.tensors.indices.map { (file.tensors[$0], try file.bytes(of: $0)) })
      let copy = folder.file("copy.safetensors")
      try SafetensorsWriter.write(
        source, metadata: file.header.metadata, to: copy, replacing: true)
      let same =
        try ReadableFile.contents(of: path, limit: 1 << 24)
        == ReadableFile.contents(of: copy, limit: 1 << 24)
      #expect(same, "\(path)")
    }
  }
}
