import ByteIO
import ResLoRAContainer
import TestSupport
import Tensors
import Testing

/// What is written is what is read.
@Suite struct RoundTripTests {
  private let folder = TemporaryFolder()

  private static func source() throws -> MemoryTensorSource {
    try .random([
      ("block.0.lora_A", .f32, [4, 70_000]), ("block.0.lora_B", .f32, [3, 4]),
      ("block.1.lora_A", .bf16, [2, 33]), ("block.1.lora_B", .f16, [300, 2]),
      ("none", .f64, [0, 7]), ("block.2.lora_A", .f64, [400_000]), ("scalar", .f32, []),
    ])
  }

  @Test("tensors, description and ancillary chunks", arguments: ContainerCompression.allCases)
  func roundTrip(_ compression: ContainerCompression) throws {
    let source = try Self.source()
    let path = folder.file("x.reslora")
    let type = try #require(ChunkType("noTe"))
    let summary = try ContainerWriter(compression: compression, threads: 2).write(
      description: "{\"é\":1}", source: source,
      ancillary: [AncillaryChunk(type: type, bytes: [1, 2, 3])], to: path, replacing: false)
    let file = try ContainerFile(path: path)
    #expect(file.size == summary.size)
    #expect(file.identity == summary.identity)
    #expect(file.chunks == summary.chunks)
    #expect(file.description == "{\"é\":1}")
    #expect(file.tensors == source.tensors)
    for index in source.tensors.indices {
      #expect(try file.bytes(of: index) == source.bytes(of: index))
    }
    #expect(try file.ancillaryChunks.map { try $0.bytes() } == [[1, 2, 3]])
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    #expect(validation.errors == [])
    #expect(validation.file != nil)
    #expect(folder.entries == ["x.reslora"])
  }
}
