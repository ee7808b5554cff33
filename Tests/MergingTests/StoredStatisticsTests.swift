import Adapters
import LoRATestSupport
import Merging
import Tensors
import TestSupport
import Testing

/// `bw` by the statistics that an adapter carries (Merging §4.5, Adapter §1.6).
@Suite struct StoredStatisticsTests {
  private let folder = TemporaryFolder()
  private static let formats: [AdapterOutputFormat] = [.reslora, .hdf5, .safetensors]

  /// A tree of six blocks of random factors, 5 to 7 features out, and weights for them.
  private struct Model {
    let adapter: Adapter
    let base: MemoryTensorSource
    let blocks: [WeightMergeOracle.Block]
  }

  private func model(
    _ structure: String, rootRule: String = "self", reach: Int = -1, dtype: DType = .f32
  ) throws -> Model {
    let previous: [Int?] = [nil, 0, 1, 2, 1, nil]
    let outs = [5, 7, 5, 6, 5, 7]
    let (inFeatures, rank) = (4, 3)
    let factors = try MemoryTensorSource.random(
      (0..<6).flatMap { index -> [(name: TensorName, dtype: DType, shape: [Int])] in
        [
          (TensorName("l\(index).lora_A"), .f32, [rank, inFeatures]),
          (TensorName("l\(index).lora_B"), .f32, [outs[index], rank]),
        ]
      }, seed: 11)
    let base = try MemoryTensorSource.random(
      (0..<6).map { (TensorName("l\($0).weight"), dtype, [outs[$0], inFeatures]) }, seed: 12)
    let list = (0..<6).map { index in
      JSONText([
        "name": "\"l\(index)\"", "scaling": "\(0.5 + Double(index) / 4)",
        "previous": previous[index].map { "\"l\($0)\"" } ?? "null",
      ]).text
    }
    let text = JSONText([
      "format": #""reslora-adapter""#, "version": "1", "structure": "\"\(structure)\"",
      "root": "\"\(rootRule)\"", "pre_num": "\(reach)",
      "blocks": "[\(list.joined(separator: ","))]",
    ]).text
    try folder.write(
      tensors: try factors.tensors.enumerated().map { index, info in
        TestTensor(info.name, info.shape, values: try factors.float64(of: index))
      }, metadata: [("reslora", text)], to: "adapter")
    let blocks = try (0..<6).map { index in
      WeightMergeOracle.Block(
        out: outs[index], in: inFeatures, rank: rank, w: try base.float64(of: index),
        a: try factors.float64(of: 2 * index), b: try factors.float64(of: 2 * index + 1),
        scaling: 0.5 + Double(index) / 4, previous: previous[index])
    }
    return Model(adapter: try Adapter(path: folder.file("adapter")), base: base, blocks: blocks)
  }

  private func expect(
    _ result: Merge.Result, equals oracle: WeightMergeOracle,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(result.method == "bw", sourceLocation: sourceLocation)
    for (index, block) in result.blocks.enumerated() {
      #expect(block.alpha.count == oracle.alphas[index].count, sourceLocation: sourceLocation)
      for (found, expected) in zip(block.alpha, oracle.alphas[index]) {
        #expect(agree(found, expected, to: 1e-13), sourceLocation: sourceLocation)
      }
      #expect(
        agree(block.norm ?? .nan, oracle.norms[index], to: 1e-13), sourceLocation: sourceLocation)
    }
  }

  private func oracle(_ model: Model, _ structure: String, _ rootRule: String, _ reach: Int)
    -> WeightMergeOracle
  {
    structure == "is"
      ? WeightMergeOracle(inputShortcut: model.blocks, rootFactor: rootRule == "self" ? 1 : 0)
      : WeightMergeOracle(middleShortcut: model.blocks, reach: reach < 0 ? .max : reach)
  }

  @Test(
    "bw gives the same by statistics as by the base, and as formed matrices do",
    arguments: [
      ("is", "self", -1), ("is", "none", -1), ("ms", "self", -1), ("ms", "self", 2),
      ("ms", "self", 1), ("ms", "self", 0),
    ])
  func merges(_ structure: String, _ rootRule: String, _ reach: Int) throws {
    let model = try model(structure, rootRule: rootRule, reach: reach, dtype: .bf16)
    let oracle = oracle(model, structure, rootRule, reach)
    let inputs = MergeInputs(base: model.base, threads: 2)
    let direct = try Merge(method: "bw", inputs: inputs).run(model.adapter)
    expect(direct, equals: oracle)
    let recorded = try model.adapter.recordingBase(inputs)
    for format in Self.formats {
      let path = folder.file("recorded.\(format.identifier)")
      try recorded.write(to: path, as: format)
      let stored = try Merge(method: "bw").run(Adapter(path: path))
      expect(stored, equals: oracle)
      for (one, other) in zip(stored.blocks, direct.blocks) {
        #expect(one.alpha.count == other.alpha.count)
        for (found, expected) in zip(one.alpha, other.alpha) {
          #expect(agree(found, expected, to: 1e-12))
        }
      }
      // The factors, too, are the same.
      for index in model.blocks.indices {
        let (found, expected) = (
          try stored.lora.factors(of: index), try direct.lora.factors(of: index)
        )
        #expect(zip(found.a.values, expected.a.values).allSatisfy { agree($0, $1, to: 1e-12) })
        #expect(zip(found.b.values, expected.b.values).allSatisfy { agree($0, $1, to: 1e-12) })
      }
    }
  }

  @Test("the numbers recorded are those of Adapter §1.6", arguments: [("is", 1), ("ms", 3)])
  func numbers(_ structure: String, _ most: Int) throws {
    let model = try model(structure, reach: 2)
    let recorded = try model.adapter.recordingBase(MergeInputs(base: model.base))
    for (index, block) in recorded.blocks.enumerated() {
      let expected = model.blocks[index]
      let base = try #require(block.base)
      #expect(base.tensor == model.base.tensors[index])
      let statistics = try #require(base.statistics)
      #expect(agree(statistics.squaredNorm, expected.squaredNorm, to: 1e-14))
      var linked = [index]
      while linked.count < most, let next = model.blocks[linked[linked.count - 1]].previous {
        linked.append(next)
      }
      #expect(Set(statistics.cross.keys) == Set(linked.map { TensorName("l\($0)") }))
      for other in linked {
        let cross = expected.cross(model.blocks[other].a)
        let size =
          (expected.squaredNorm
          * expected.product(model.blocks[other].a)
          .reduce(0) { $0 + $1 * $1 }).squareRoot()
        #expect(abs((statistics.cross[TensorName("l\(other)")] ?? .nan) - cross) <= 1e-14 * size)
      }
    }
    #expect(recorded.links == model.adapter.links)
  }

  @Test("an adapter with statistics merges by bw where nothing else is said")
  func chosen() throws {
    let model = try model("is")
    let recorded = try model.adapter.recordingBase(MergeInputs(base: model.base))
    let result = try Merge().run(recorded)
    expect(result, equals: oracle(model, "is", "self", -1))
    #expect(result.reason == "the adapter carries the statistics of its base weights")
    #expect(throws: MergeError.nothingToGoBy(structure: .inputShortcut)) {
      try Merge().run(model.adapter)
    }
  }

  @Test("one number that is missing is an error", arguments: ["is", "ms"])
  func missing(_ structure: String) throws {
    let model = try model(structure)
    let recorded = try model.adapter.recordingBase(MergeInputs(base: model.base))
    func without(_ change: (Int, BaseWeight) -> BaseWeight?) throws -> Adapter {
      try Adapter(
        label: "x", format: "x",
        blocks: recorded.blocks.enumerated().map { index, block in
          try Block(
            name: block.name, a: block.a, b: block.b, scaling: block.scaling,
            base: block.base.flatMap { change(index, $0) })
        }, topology: recorded.topology, notes: [])
    }
    #expect(throws: MergeError.missingBase) {
      try Merge(method: "bw").run(without { index, base in index == 3 ? nil : base })
    }
    #expect(throws: MergeError.missingBase) {
      try Merge(method: "bw").run(
        without { index, base in
          index != 5 ? base : BaseWeight(tensor: base.tensor, sha256: base.sha256, statistics: nil)
        })
    }
    // Each of the numbers of block 3, which has three before it.
    let names = try #require(recorded.blocks[3].base?.statistics?.cross.keys)
    #expect(names.count == (structure == "is" ? 1 : 4))
    for name in names {
      let error = #expect(throws: MergeError.self) {
        try Merge(method: "bw").run(
          without { index, base in
            guard index == 3, let statistics = base.statistics else { return base }
            return BaseWeight(
              tensor: base.tensor, sha256: base.sha256,
              statistics: BaseWeight.Statistics(
                squaredNorm: statistics.squaredNorm,
                cross: statistics.cross.filter { $0.key != name }))
          })
      }
      #expect(error == .missingBase)
      #expect(
        error?.description
          == "method bw needs the base weights; pass --base BASE (a safetensors file or folder)")
    }
    _ = try Merge(method: "bw").run(without { _, base in base })
  }

  @Test("statistics for fewer predecessors do not do for more")
  func farther() throws {
    let model = try model("ms", reach: 1)
    try model.adapter.recordingBase(MergeInputs(base: model.base))
      .write(to: folder.file("recorded"), as: .safetensors)
    func open(_ reach: Int) throws -> Adapter {
      try Adapter(
        path: folder.file("recorded"),
        overrides: AdapterOverrides(reach: PredecessorCount(reach)))
    }
    expect(try Merge(method: "bw").run(open(1)), equals: oracle(model, "ms", "self", 1))
    expect(try Merge(method: "bw").run(open(0)), equals: oracle(model, "ms", "self", 0))
    #expect(throws: MergeError.missingBase) { try Merge(method: "bw").run(open(2)) }
  }

  @Test("factors in another dtype have no statistics until they are recorded anew")
  func converted() throws {
    let model = try model("is")
    let inputs = MergeInputs(base: model.base)
    let recorded = try model.adapter.recordingBase(inputs)
    let converted = try recorded.converted(to: .bf16)
    #expect(converted.blocks.allSatisfy { $0.base != nil && $0.base?.statistics == nil })
    #expect(throws: MergeError.missingBase) { try Merge(method: "bw").run(converted) }
    let anew = try converted.recordingBase(inputs)
    let rounded = try zip(model.blocks, converted.blocks).map { block, stored in
      WeightMergeOracle.Block(
        out: block.out, in: block.in, rank: block.rank, w: block.w,
        a: try stored.a.load().values, b: try stored.b.load().values, scaling: block.scaling,
        previous: block.previous)
    }
    expect(
      try Merge(method: "bw").run(anew),
      equals: WeightMergeOracle(inputShortcut: rounded, rootFactor: 1))
    // The dtype it has already changes nothing.
    #expect(
      try recorded.converted(to: .f32).blocks.map(\.base) == recorded.blocks.map(\.base))
  }

  @Test("what a merge gives carries none of them on", arguments: formats.indices)
  func merged(_ number: Int) throws {
    let model = try model("is")
    let recorded = try model.adapter.recordingBase(MergeInputs(base: model.base))
    let result = try Merge(method: "bw").run(recorded)
    let path = folder.file("merged")
    try result.lora.write(to: path, as: Self.formats[number], provenance: recorded.provenance)
    let read = try Adapter(path: path)
    #expect(read.structure == .plain)
    #expect(read.blocks.allSatisfy { $0.base == nil })
  }

  @Test("the published code's norms are not those that are stored (§4.10)")
  func published() throws {
    let model = try model("is")
    let recorded = try model.adapter.recordingBase(MergeInputs(base: model.base))
    #expect(throws: MergeError.nothingToGoBy(structure: .inputShortcut)) {
      try Merge(inputs: MergeInputs(profile: .lmops)).run(recorded)
    }
  }

  @Test("a base that does not fit, or holds a NaN, gives no statistics")
  func badBase() throws {
    let model = try model("is")
    #expect(throws: MergeError.missingBase) { try model.adapter.recordingBase(MergeInputs()) }
    let values = [Double](repeating: .nan, count: 20)
    let bad = try MemoryTensorSource(
      (0..<6).map { index in
        let info = model.base.tensors[index]
        return TestTensor(
          info.name, info.shape,
          values: index == 2 ? values : try model.base.float64(of: index))
      })
    #expect(throws: MergeError.nonFiniteWeight(source: "memory", weight: "l2.weight")) {
      try model.adapter.recordingBase(MergeInputs(base: bad))
    }
    let few = try MemoryTensorSource.random([("l0.weight", .f32, [5, 4])])
    #expect(throws: BaseMatchError.self) {
      try model.adapter.recordingBase(MergeInputs(base: few))
    }
  }
}
