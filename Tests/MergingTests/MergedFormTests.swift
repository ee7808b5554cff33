import Adapters
import Merging
import Tensors
import TestSupport
import Testing

@testable import Merging

/// The form of results: ranks, scalings and dtypes (Merging §5.1, §5.2).
@Suite struct MergedFormTests {
  private func factor(
    _ shape: [Int], _ dtype: DType, _ join: Factor.Join, seed: UInt64
  ) throws -> Factor {
    var generator = SeededGenerator(seed: seed)
    let info = try TensorInfo(name: "x", dtype: dtype, shape: shape)
    let bytes = Conversion.bytes(from: generator.values(info.elementCount), dtype: dtype)
    return try Factor(
      [TensorReference(source: MemoryTensorSource(label: "m", tensors: [(info, bytes)]), index: 0)],
      join: join)
  }

  private func chain(
    _ structure: Structure, dtypes: [DType], scalings: [Double]
  ) throws -> Adapter {
    let names = dtypes.indices.map { TensorName("layer.\($0)") }
    let blocks = try dtypes.indices.map { index in
      try Block(
        name: names[index], a: factor([2, 4], dtypes[index], .rows, seed: UInt64(index)),
        b: factor([3, 2], dtypes[index], .columns, seed: UInt64(index) + 100),
        scaling: scalings[index])
    }
    let topology = try Topology(
      structure: structure, root: .ownInput, reach: .all, names: names,
      previous: [nil] + names.dropLast().map { $0 })
    return try Adapter(label: "t", format: "t", blocks: blocks, topology: topology, notes: [])
  }

  @Test("bs keeps s_n, sums ranks, and scales joined B by s_k / s_n")
  func joinedForm() throws {
    let adapter = try chain(.blockShortcut, dtypes: [.f32, .f32], scalings: [3, 2])
    let result = try Merge(method: "exact").run(adapter)
    #expect(result.lora.blocks.map(\.rank) == [2, 4])
    #expect(result.lora.blocks.map(\.scaling) == [3, 2])
    let first = try adapter.blocks[0].b.load()
    let joined = try result.lora.factors(of: 1).b
    for row in 0..<3 {
      for column in 0..<2 { #expect(joined[row, 2 + column] == 1.5 * first[row, column]) }
    }
  }

  @Test("carried tensors keep their dtype, computed ones become F32 or F64")
  func dtypes() throws {
    func stored(_ structure: Structure, _ method: String, _ dtypes: [DType], _ scalings: [Double])
      throws -> [DType]
    {
      let adapter = try chain(structure, dtypes: dtypes, scalings: scalings)
      let blocks = try Merge(method: method).run(adapter).lora.blocks
      return [blocks[blocks.count - 1].aDType, blocks[blocks.count - 1].bDType]
    }
    #expect(try stored(.inputShortcut, "none", [.bf16, .bf16], [1, 1]) == [.bf16, .bf16])
    #expect(try stored(.blockShortcut, "exact", [.f16, .f16], [1, 1]) == [.f16, .f16])
    #expect(try stored(.blockShortcut, "exact", [.f16, .f16], [2, 1]) == [.f16, .f32])
    #expect(try stored(.blockShortcut, "exact", [.f16, .bf16], [1, 1]) == [.f32, .f32])
    #expect(try stored(.blockShortcut, "exact", [.f64, .bf16], [1, 1]) == [.f64, .f64])
  }

  @Test("a block-shortcut block of scaling 0 can't carry its predecessors")
  func zeroScaling() throws {
    let adapter = try chain(.blockShortcut, dtypes: [.f32, .f32], scalings: [1, 0])
    #expect(throws: MergeError.zeroScaling(block: "layer.1")) {
      try Merge(method: "exact").run(adapter)
    }
  }

  @Test("an energy of 1 keeps everything that is not zero; a zero delta keeps rank 1")
  func energyLimits() {
    #expect(RankTruncation.energy(1).keptCount([2, 1, 0]) == 2)
    #expect(RankTruncation.energy(1).keptCount([0, 0]) == 1)
    #expect(RankTruncation.energy(0.8).keptCount([2, 1, 0]) == 1)
    #expect(RankTruncation.rank(5).keptCount([2, 1]) == 2)
  }
}
