import ByteIO
import LoRATestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Adapters in the native container (Container §4, Adapter §2.3).
@Suite struct ContainerAdapterTests {
  private let folder = TemporaryFolder()

  /// The tensors of `TestDescription`'s blocks a and b, in its order.
  private static let tensors = ["a", "b"].flatMap { name in
    [
      TestTensor(TensorName("\(name).lora_A"), [2, 4]),
      TestTensor(TensorName("\(name).lora_B"), [3, 2], dtype: .f16),
    ]
  }

  private func write(
    _ description: String = TestDescription.text(), tensors: [TestTensor] = tensors,
    ancillary: [(type: String, bytes: [UInt8])] = [], to name: String = "x.bin"
  ) throws -> String {
    try ContainerWriter().write(
      description: description, source: MemoryTensorSource(tensors),
      ancillary: ancillary.map {
        AncillaryChunk(type: try #require(ChunkType($0.type)), bytes: $0.bytes)
      }, to: folder.file(name), replacing: true)
    return folder.file(name)
  }

  private func expectRefused(
    _ path: String, _ reason: ContentError.Reason, owner: String? = nil, rule: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: ContentError.self, sourceLocation: sourceLocation) {
      try Adapter(path: path)
    }
    let expected = ContentError(path: path, owner: owner, rule: rule, reason: reason)
    #expect(error == expected, sourceLocation: sourceLocation)
  }

  @Test("what the file says")
  func reads() throws {
    let path = try write(ancillary: [("noTe", [1, 2, 3])])
    let adapter = try Adapter(path: path)
    #expect(adapter.format == "ResLoRA container")
    #expect(adapter.links == ["a<-", "b<a"])
    #expect(adapter.blocks.map(\.scaling) == [2, 2])
    #expect(try adapter.blocks[1].a.load().values == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(adapter.blocks[1].b.dtype == .f16)
    #expect(adapter.details.map(\.name) == ["identity", "chunks", "chunk noTe"])
    #expect(adapter.details[0].value == (try ContainerFile(path: path).identity))
    #expect(adapter.details[2].value == "3 bytes, kept")
    #expect(adapter.files == [path])
  }

  @Test("a tensor that no block has, and a block without its tensor (Adapter §2.3)")
  func tensors() throws {
    expectRefused(
      try write(tensors: Self.tensors + [TestTensor("c", [1]), TestTensor("a.lora_A.0", [1])]),
      .unexpectedTensors(["a.lora_A.0", "c"]), rule: "Adapter §2.3")
    for position in 0..<4 {
      var tensors = Self.tensors
      let missing = tensors.remove(at: position)
      expectRefused(
        try write(tensors: tensors), .missingTensor(missing.name),
        owner: position < 2 ? "block 'a'" : "block 'b'", rule: "Adapter §2.3")
    }
    expectRefused(
      try write(TestDescription.text(block: "pairs", "2"), tensors: Array(Self.tensors[..<2])),
      .missingTensor("a.lora_A.0"), owner: "block 'a'", rule: "Adapter §2.3")
  }

  @Test(
    "tensors in another order than the description's (§4.4)", arguments: [(0, 1), (1, 2), (0, 3)])
  func order(_ one: Int, _ other: Int) throws {
    var tensors = Self.tensors
    tensors.swapAt(one, other)
    expectRefused(try write(tensors: tensors), .unorderedTensors, rule: "Container §4.4")
  }

  @Test("a description that is none (§4.2)")
  func description() throws {
    expectRefused(try write("[]"), .notAnObject, rule: "Adapter §2.1")
    expectRefused(
      try write("{"), .json(JSONError(reason: .unexpectedEnd, offset: 1)),
      rule: "Adapter §2.1")
    expectRefused(
      try write(TestDescription.text(["format": #""reslora""#])),
      .badValue(key: "format", found: #""reslora""#, expected: #""reslora-adapter""#),
      rule: "Adapter §2.1")
    expectRefused(
      try write(TestDescription.text(["version": "2"])), .unknownVersion(found: 2, known: 1),
      rule: "Versions §2")
  }

  @Test("a damaged file is refused when the damage is met, and named by its rule")
  func damaged() throws {
    let path = try write()
    let intact = try ReadableFile.contents(of: path, limit: 1 << 20)
    // The middle of the first tensor's chunk: opening does not read it, loading does.
    let chunk = try ContainerFile(path: path).chunks[1]
    var bytes = intact
    bytes[chunk.offset + 3] ^= 1
    try folder.write(bytes, to: "x.bin")
    let adapter = try Adapter(path: path)
    let error = #expect(throws: ContainerError.self) { try adapter.blocks[0].a.load() }
    #expect(error?.rule == "Container §3")
    #expect(try adapter.blocks[1].a.load().rows == 2)
    // Without its end it is not opened at all.
    try folder.write(intact.dropLast(), to: "x.bin")
    let short = #expect(throws: ContainerError.self) { try Adapter(path: path) }
    #expect(short?.path == path)
  }

  @Test("every broken rule is listed, of the container and of the description")
  func all() throws {
    let path = try write(
      TestDescription.text(["root": "1", "colour": #""red""#]),
      tensors: Self.tensors + [TestTensor("c", [1])])
    let chunk = try ContainerFile(path: path).chunks[1]
    var bytes = try ReadableFile.contents(of: path, limit: 1 << 20)
    bytes[chunk.offset] ^= 1
    try folder.write(bytes, to: "x.bin")
    let check = RuleCheck.collecting()
    #expect(try ResLoRAContainerFormat.read(InputProbe(path: path), check) == nil)
    #expect(
      check.violations.map(\.rule) == [
        "Container §3", "Adapter §2.1", "Adapter §2.1", "Adapter §2.3",
      ])
    #expect(check.violations.map(\.severity) == [.error, .warning, .error, .error])
    #expect(
      check.violations.dropFirst().map { $0.message.replacing("\(path): ", with: "") } == [
        "unknown key 'colour', which is ignored [Adapter §2.1]",
        "bad 'root' (found 1, expected a string) [Adapter §2.1]",
        "1 tensor belongs to no block: 'c' [Adapter §2.3]",
      ])
  }

  @Test("chunks of others are kept when the same adapter is rewritten (§3.1)")
  func ancillary() throws {
    let chunks: [(type: String, bytes: [UInt8])] = [
      ("noTe", Array("text".utf8)), ("aaZz", []),
      ("noTe", [UInt8](repeating: 7, count: 100_000)),
    ]
    let adapter = try Adapter(path: write(ancillary: chunks))
    let again = folder.file("again.reslora")
    for compression in ContainerCompression.allCases {
      try adapter.write(
        to: again, as: .reslora,
        options: WriteOptions(replacing: true, compression: compression))
      let file = try ContainerFile(path: again)
      #expect(file.ancillaryChunks.map(\.type.description) == chunks.map(\.type))
      #expect(try file.ancillaryChunks.map { try $0.bytes() } == chunks.map(\.bytes))
      // They come after all others.
      #expect(
        file.chunks.suffix(4).map(\.type.description) == ["TENS", "noTe", "aaZz", "noTe"])
    }
    // Other formats have no place for them, and say so.
    let content = try AdapterFileContent(adapter)
    #expect(AdapterOutputFormat.reslora.losses(of: content).isEmpty)
    #expect(
      AdapterOutputFormat.hdf5.losses(of: content) == [
        "chunk 'noTe': left out, a ResLoRA HDF5 has no place for it",
        "chunk 'aaZz': left out, a ResLoRA HDF5 has no place for it",
        "chunk 'noTe': left out, a ResLoRA HDF5 has no place for it",
      ])
  }

  @Test("a plain LoRA that comes of an adapter takes no chunk along (§3.1)")
  func mergedAncillary() throws {
    let adapter = try Adapter(path: write(ancillary: [("noTe", [1])]))
    let path = folder.file("merged.reslora")
    try TestLoRA([("a", 2, 1)]).write(to: path, as: .reslora, provenance: adapter.provenance)
    #expect(try ContainerFile(path: path).ancillaryChunks.isEmpty)
  }

  @Test("what is written is read the same", arguments: [DType.f64, .f32, .f16, .bf16])
  func roundTrip(_ dtype: DType) throws {
    let lora = TestLoRA(
      [("l.0.q", 2, 4), ("base_model.model.x", 4, 1.0 / 3), ("é", 1, -0.1), ("e\u{301}", 3, 0)],
      dtypes: (dtype, .f32))
    for format in [AdapterOutputFormat.reslora, .hdf5] {
      let path = folder.file("out.\(format.identifier)")
      try lora.write(to: path, as: format)
      let adapter = try Adapter(path: path)
      try lora.expectEqual(adapter)
      #expect(adapter.names == lora.blocks.map(\.name))
      #expect(throws: FileError.exists(path: path)) { try lora.write(to: path, as: format) }
      try lora.write(
        to: path, as: format, dtype: .f64, options: WriteOptions(replacing: true))
      #expect(
        try Adapter(path: path).blocks.allSatisfy { $0.a.dtype == .f64 && $0.b.dtype == .f64 })
    }
  }
}
