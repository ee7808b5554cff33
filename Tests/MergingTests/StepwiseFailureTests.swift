import Adapters
import ByteIO
import Tensors
import TestSupport
import Testing

@testable import Merging

/// What wakes those who wait for a block, and what is refused.
@Suite struct StepwiseFailureTests {
  private struct Cancelled: Error {}

  /// A chain whose third block waits for the first two.
  private func chain(_ structure: Structure = .inputShortcut, scaling: Double? = nil) throws
    -> (collector: WeightStatisticsCollector, last: Int, model: StepwiseModel)
  {
    for seed in 0..<1000 as Range<UInt64> {
      let model = try StepwiseModel(
        structure, outs: [3, 3, 3], scaling: scaling, magnitude: scaling == nil ? 1 : 0, seed: seed)
      let merge = try StepwiseMerge(model.adapter)
      let last = merge.order[2]
      if merge.prerequisites(of: last).count == 2 {
        return (WeightStatisticsCollector(merge, tileCounts: [1, 1, 1]), last, model)
      }
    }
    preconditionFailure("no seed gives a chain")
  }

  private func sums(_ model: StepwiseModel, _ block: Int, _ merge: StepwiseMerge) throws
    -> (TileSums, MeasuringFactors)
  {
    let factors = try merge.measuringFactors(of: block)
    let weight = TensorReference(source: model.base, index: model.weights[block])
    let sums = try model.bytes(of: block, rows: 0..<3).withUnsafeBytes {
      try merge.sums(of: $0, rows: 0..<3, of: weight, factors)
    }
    return (sums, factors)
  }

  @Test("an error wakes all that wait, and fails all who ask later")
  func stop() throws {
    let (collector, last, _) = try chain()
    let outcomes = try Parallel.map(4, threads: 4) { number in
      // The first, which runs on any machine while others wait.
      if number == 0 {
        for _ in 0..<10 { sleepAtRandom() }
        collector.stop(Cancelled())
        collector.stop(MergeError.missingBase)
        return true
      }
      do {
        _ = try collector.lora.factors(of: last)
        return false
      } catch is Cancelled {
        return true
      }
    }
    #expect(outcomes == [true, true, true, true])
    #expect(throws: Cancelled.self) { try collector.merge(of: last) }
    #expect(throws: Cancelled.self) { try collector.merges() }
  }

  @Test("an error in a part of the work stops all")
  func stoppingOnError() throws {
    let (collector, last, _) = try chain()
    #expect(collector.stoppingOnError { 7 } == 7)
    _ = try collector.merge(of: collector.merge.order[0])
    #expect(throws: Cancelled.self) { try collector.stoppingOnError { throw Cancelled() } }
    #expect(throws: Cancelled.self) { try collector.merge(of: last) }
  }

  @Test("a norm of 0 wakes those who would divide by it", arguments: [false, true])
  func zeroNorm(_ waits: Bool) throws {
    let (collector, last, model) = try chain(scaling: 0)
    let merge = collector.merge
    _ = try Parallel.map(2, threads: waits ? 2 : 1) { number in
      if number == 0 {
        for block in merge.order.dropLast() {
          let (sums, factors) = try sums(model, block, merge)
          if waits { sleepAtRandom() }
          collector.add(sums, tile: 0, of: block, factors)
        }
      } else {
        let error = #expect(throws: MergeError.self) { try collector.merge(of: last) }
        guard case .zeroNorm = error else {
          Issue.record("\(String(describing: error))")
          return
        }
      }
    }
  }

  @Test("a NaN in a weight names it, unless allowed")
  func nonFinite() throws {
    let (collector, last, model) = try chain()
    let weight = TensorReference(source: model.base, index: model.weights[last])
    let bytes = Conversion.bytes(from: [Double](repeating: .nan, count: 3 * 512), dtype: .f64)
    let factors = try collector.merge.measuringFactors(of: last)
    try bytes.withUnsafeBytes { bytes in
      #expect(
        throws: MergeError.nonFiniteWeight(source: "base", weight: weight.info.name)
      ) { try collector.merge.sums(of: bytes, rows: 0..<3, of: weight, factors) }
      let allowing = try StepwiseMerge(model.adapter, allowsNonFinite: true)
      #expect(try !allowing.sums(of: bytes, rows: 0..<3, of: weight, factors).isFinite)
    }
  }

  @Test("factors that are not finite name their block, unless allowed", arguments: [false, true])
  func nonFiniteFactor(_ isAllowed: Bool) throws {
    let (_, last, model) = try chain()
    let merge = try StepwiseMerge(model.adapter, allowsNonFinite: isAllowed)
    let collector = WeightStatisticsCollector(merge, tileCounts: [0, 0, 0])
    for block in merge.order {
      collector.add(
        BlockStatistics(squaredNorm: .infinity, cross: [0], gram: [[1]]), of: block)
    }
    if isAllowed {
      #expect(try collector.merge(of: last).alpha.allSatisfy(\.isNaN))
    } else {
      #expect(throws: MergeError.nonFiniteFactor(blocks: [model.adapter.blocks[last].name])) {
        try collector.merge(of: last)
      }
    }
  }

  @Test("numbers survive text to the bit")
  func json() throws {
    var generator = SeededGenerator(seed: 3)
    let awkward = [
      0, -0.0, 0x1p-1074, -1.7976931348623157e308, 0.1, 1e21, 1e-7, .infinity, -.infinity,
      9_007_199_254_740_994,
    ]
    for count in 0...3 {
      for _ in 0..<50 {
        func number() -> Double {
          let bits = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &generator))
          return Bool.random(using: &generator) || bits.isNaN
            ? awkward.randomElement(using: &generator) ?? 0 : bits
        }
        let statistics = BlockStatistics(
          squaredNorm: number(), cross: (0..<count).map { _ in number() },
          gram: (0..<count).map { _ in (0..<count).map { _ in number() } })
        for indented in [false, true] {
          let text = Array(statistics.json.serialized(indented: indented).utf8)
          let read = try #require(BlockStatistics(json: try JSONValue(parsing: text)))
          func bits(_ all: BlockStatistics) -> [UInt64] {
            ([all.squaredNorm] + all.cross + all.gram.flatMap { $0 }).map(\.bitPattern)
          }
          #expect(bits(read) == bits(statistics))
        }
      }
    }
    let nan = BlockStatistics(squaredNorm: .nan, cross: [], gram: [])
    #expect(BlockStatistics(json: nan.json)?.squaredNorm.isNaN == true)
  }

  @Test(
    "other JSON is no statistics",
    arguments: [
      "null", "[]", "{}", #"{"squared_norm": 1, "cross": [1]}"#,
      #"{"squared_norm": 1, "cross": [1], "gram": [[1]], "x": 1}"#,
      #"{"squared_norm": null, "cross": [1], "gram": [[1]]}"#,
      #"{"squared_norm": "1", "cross": [1], "gram": [[1]]}"#,
      #"{"squared_norm": 1, "cross": [true], "gram": [[1]]}"#,
      #"{"squared_norm": 1, "cross": [1], "gram": [[1, 2]]}"#,
      #"{"squared_norm": 1, "cross": [1], "gram": [1]}"#,
      #"{"squared_norm": 1, "cross": [1, 2], "gram": [[1, 2]]}"#,
    ])
  func notStatistics(_ text: String) throws {
    #expect(BlockStatistics(json: try JSONValue(parsing: Array(text.utf8))) == nil)
  }

  @Test("what is combined must be each block's, once")
  func combining() throws {
    let (collector, _, _) = try chain()
    let merge = collector.merge
    let one = BlockStatistics(squaredNorm: 1, cross: [2], gram: [[3]])
    let two = BlockStatistics(squaredNorm: 1, cross: [2, 2], gram: [[3, 3], [3, 3]])
    let whole = merge.json(of: [one, one, one])
    #expect(try merge.statistics(combining: [whole]) == [one, one, one])
    func expect(
      _ parts: [JSONValue], _ block: TensorName?, _ problem: String,
      sourceLocation: SourceLocation = #_sourceLocation
    ) {
      #expect(
        throws: MergeError.badStatistics(block: block, problem: problem),
        sourceLocation: sourceLocation
      ) { try merge.statistics(combining: parts) }
    }
    expect([merge.json(of: [one, nil, one])], "m1", "its statistics are missing")
    expect([whole, merge.json(of: [nil, one, nil])], "m1", "its statistics are there twice")
    expect([.array([])], nil, "not a JSON object")
    expect([.members(["m9": one.json])], "m9", "not a block of the adapter")
    expect(
      [merge.json(of: [one, one, two])], "m2",
      "malformed statistics (expected those of 1 factors)")
    #expect(
      "\(MergeError.badStatistics(block: "m1", problem: "its statistics are missing"))"
        == "statistics of base weights: block 'm1': its statistics are missing")
  }
}
