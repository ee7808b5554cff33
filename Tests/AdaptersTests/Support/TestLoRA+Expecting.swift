import Adapters
import LoRATestSupport
import Tensors
import Testing

extension TestLoRA {
  /// Expects that an adapter holds the same.
  func expectEqual(
    _ adapter: Adapter, names: [TensorName]? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(adapter.structure == .plain, sourceLocation: sourceLocation)
    #expect(adapter.blocks.count == blocks.count, sourceLocation: sourceLocation)
    for (position, block) in blocks.enumerated() {
      let name = names?[position] ?? block.name
      let found = try #require(
        adapter.blocks.first { $0.name == name }, sourceLocation: sourceLocation)
      #expect(found.rank == block.rank, sourceLocation: sourceLocation)
      #expect(found.scaling == block.scaling, sourceLocation: sourceLocation)
      #expect(found.a.dtype == block.aDType, sourceLocation: sourceLocation)
      #expect(found.b.dtype == block.bDType, sourceLocation: sourceLocation)
      #expect(try found.a.load() == all[position].a, sourceLocation: sourceLocation)
      #expect(try found.b.load() == all[position].b, sourceLocation: sourceLocation)
    }
  }
}
