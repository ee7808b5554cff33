import Adapters
import ByteIO
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Merging

/// `bw` on the way through the base, block by block, against `bw` in one go.
@Suite struct StepwiseMergeTests {
  static let cases: [(structure: Structure, root: RootRule, reach: Int, seed: UInt64)] = [
    (.inputShortcut, .ownInput, -1, 1), (.inputShortcut, .nothing, -1, 2),
    (.middleShortcut, .ownInput, -1, 3), (.middleShortcut, .ownInput, 2, 4),
    (.middleShortcut, .ownInput, 0, 5),
  ]

  private func model(_ number: Int, outs: [Int] = [260, 4, 530, 5, 270, 1, 3]) throws
    -> StepwiseModel
  {
    let (structure, root, reach, seed) = Self.cases[number]
    return try StepwiseModel(structure, outs: outs, root: root, reach: reach, seed: seed)
  }

  /// Works through all tiles as an engine does: sums, then the factors that wait for other blocks.
  private func collect(
    _ model: StepwiseModel, _ collector: WeightStatisticsCollector, threads: Int, delays: Bool
  ) throws -> [PlainFactors] {
    let merge = collector.merge
    let tasks = merge.order.flatMap { block in
      model.tiles(of: block).enumerated().map { (block: block, number: $0, rows: $1) }
    }
    let lora = collector.lora
    let found = try Parallel.map(tasks.count, threads: threads) { index in
      let task = tasks[index]
      if delays { sleepAtRandom() }
      let factors = try merge.measuringFactors(of: task.block)
      let weight = TensorReference(source: model.base, index: model.weights[task.block])
      let bytes = try model.bytes(of: task.block, rows: task.rows)
      let sums = try bytes.withUnsafeBytes {
        try merge.sums(of: $0, rows: task.rows, of: weight, factors)
      }
      if delays { sleepAtRandom() }
      // Waiting before or after the tile is added, the earlier blocks' tasks have been started.
      if task.number % 2 == 0 {
        collector.add(sums, tile: task.number, of: task.block, factors)
        return try lora.factors(of: task.block)
      }
      let result = try lora.factors(of: task.block)
      collector.add(sums, tile: task.number, of: task.block, factors)
      return result
    }
    var factors = [PlainFactors?](repeating: nil, count: model.weights.count)
    for (task, result) in zip(tasks, found) {
      if let other = factors[task.block] {
        #expect(other.a == result.a && other.b == result.b)
      }
      factors[task.block] = result
    }
    return factors.compactMap { $0 }
  }

  private func expectSame(
    _ found: [Merge.BlockFigures], _ expected: [Merge.BlockFigures],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    for (one, other) in zip(found, expected) {
      #expect(
        one.alpha.map(\.bitPattern) == other.alpha.map(\.bitPattern)
          && one.norm?.bitPattern == other.norm?.bitPattern
          && one.foldedNorm?.bitPattern == other.foldedNorm?.bitPattern
          && one.deltaNorm.bitPattern == other.deltaNorm.bitPattern && one.rank == other.rank,
        "\(one), expected \(other)", sourceLocation: sourceLocation)
    }
  }

  @Test("one pass gives the bits of the merge in one go", arguments: cases.indices, [1, 2, 4])
  func sameBits(_ number: Int, _ threads: Int) throws {
    let model = try model(number)
    #expect(model.weights.indices.contains { model.tiles(of: $0).count > 1 })
    let whole = Merge(method: "bw", inputs: MergeInputs(base: model.base, threads: 2))
    let expected = try whole.run(model.adapter)
    for delays in Set([false, threads > 1]) {
      let stepwise = try #require(try whole.stepwise(model.adapter))
      #expect(stepwise.reason == nil)
      let collector = WeightStatisticsCollector(
        stepwise.merge, tileCounts: model.weights.indices.map { model.tiles(of: $0).count })
      let factors = try collect(model, collector, threads: threads, delays: delays)
      let result = try collector.result(threads: threads)
      #expect(result.method == "bw" && result.profile == .standard)
      expectSame(result.blocks, expected.blocks)
      #expect(result.lora.blocks == expected.lora.blocks)
      #expect(collector.lora.blocks == expected.lora.blocks)
      for (block, own) in factors.enumerated() {
        let other = try expected.lora.factors(of: block)
        #expect(own.a.values.map(\.bitPattern) == other.a.values.map(\.bitPattern))
        #expect(own.b.values.map(\.bitPattern) == other.b.values.map(\.bitPattern))
      }
    }
  }

  @Test("tiles may come in any order", arguments: cases.indices)
  func anyOrder(_ number: Int) throws {
    let model = try model(number)
    let inputs = MergeInputs(base: model.base)
    let expected = try Merge(method: "bw", inputs: inputs).decide(model.adapter)
    let merge = try StepwiseMerge(model.adapter)
    var generator = SeededGenerator(seed: 9)
    let collector = WeightStatisticsCollector(
      merge, tileCounts: model.weights.indices.map { model.tiles(of: $0).count })
    let tasks = model.weights.indices.flatMap { block in
      model.tiles(of: block).enumerated().map { (block, $0, $1) }
    }
    for (block, tile, rows) in tasks.shuffled(using: &generator) {
      let factors = try merge.measuringFactors(of: block)
      let weight = TensorReference(source: model.base, index: model.weights[block])
      let sums = try model.bytes(of: block, rows: rows).withUnsafeBytes {
        try merge.sums(of: $0, rows: rows, of: weight, factors)
      }
      collector.add(sums, tile: tile, of: block, factors)
    }
    #expect(try collector.merges() == expected.blocks)
  }

  @Test(
    "statistics of shards, by way of text, give the bits of the whole", arguments: cases.indices)
  func shards(_ number: Int) throws {
    let model = try model(number)
    let inputs = MergeInputs(base: model.base, threads: 2)
    let expected = try Merge(method: "bw", inputs: inputs).decide(model.adapter)
    let merge = try StepwiseMerge(model.adapter)
    let texts = try [[0, 3], [1, 2, 4], [], [5, 6]].map { blocks in
      let weights = model.weights.indices.map { blocks.contains($0) ? model.weights[$0] : nil }
      let statistics = try merge.statistics(of: weights, inputs)
      #expect(statistics.indices.filter { statistics[$0] != nil } == blocks)
      return Array(merge.json(of: statistics).serialized().utf8)
    }
    for order in [[0, 1, 2, 3], [3, 1, 0, 2]] {
      let statistics = try merge.statistics(
        combining: order.map { try JSONValue(parsing: texts[$0]) })
      #expect(try merge.merges(statistics) == expected.blocks)
      // The same through a collector, the last block first.
      let collector = WeightStatisticsCollector(
        merge, tileCounts: [Int](repeating: 0, count: statistics.count))
      for block in merge.order.reversed() { collector.add(statistics[block], of: block) }
      #expect(try collector.merges() == expected.blocks)
      #expect(collector.statistics == statistics)
    }
  }

  @Test("every block comes after those it waits for, and waits for no more than it uses")
  func prerequisites() throws {
    for seed in 0..<40 as Range<UInt64> {
      for structure in [Structure.inputShortcut, .middleShortcut] {
        let model = try StepwiseModel(
          structure, outs: [Int](repeating: 1, count: 12), reach: [-1, 1, 3][Int(seed % 3)],
          seed: seed)
        let merge = try StepwiseMerge(model.adapter)
        #expect(merge.order.sorted() == Array(0..<12))
        let places = Dictionary(uniqueKeysWithValues: merge.order.enumerated().map { ($1, $0) })
        let previous = model.adapter.topology.previous
        func depth(_ block: Int) -> Int { previous[block].map { depth($0) + 1 } ?? 0 }
        for (one, other) in zip(merge.order, merge.order.dropFirst()) {
          #expect((depth(one), one) < (depth(other), other))
        }
        for block in 0..<12 {
          let found = merge.prerequisites(of: block)
          #expect(Set(found).count == found.count)
          #expect(found.allSatisfy { places[$0, default: .max] < places[block, default: 0] })
          // Those norms are enough, and each counts.
          var norms = [Double?](repeating: nil, count: 12)
          for other in found { norms[other] = 1 + Double(other) }
          let whole = try merge.merge(block, norms: norms)
          for other in found {
            norms[other] = 100
            #expect(try merge.merge(block, norms: norms) != whole)
            norms[other] = 1 + Double(other)
          }
        }
      }
    }
  }

  @Test("only bw of the paper, with a base and no truncation, goes step by step")
  func whenStepwise() throws {
    let model = try model(0, outs: [2, 2])
    let inputs = MergeInputs(base: model.base)
    #expect(try Merge(method: "bw", inputs: inputs).stepwise(model.adapter) != nil)
    #expect(try Merge(inputs: inputs).stepwise(model.adapter)?.reason != nil)
    #expect(try Merge(method: "none", inputs: inputs).stepwise(model.adapter) == nil)
    #expect(try Merge(method: "bw").stepwise(model.adapter) == nil)
    #expect(
      try Merge(method: "bw", inputs: inputs, truncation: .rank(1)).stepwise(model.adapter) == nil)
    #expect(
      try Merge(method: "bw", inputs: MergeInputs(base: model.base, profile: .lmops))
        .stepwise(model.adapter) == nil)
    let plain = try StepwiseModel(.plain, outs: [2], seed: 1)
    #expect(throws: MergeError.notForStructure(method: "bw", structure: .plain)) {
      try StepwiseMerge(plain.adapter)
    }
    #expect(try Merge(method: "bw", inputs: inputs).stepwise(plain.adapter) == nil)
  }
}
