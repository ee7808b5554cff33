import Adapters
import Dispatch
import Tensors
import TestSupport

/// A random adapter with weights of one to three tiles.
struct StepwiseModel {
  let adapter: Adapter
  let base: MemoryTensorSource
  /// Each block's weight among the base's tensors.
  let weights: [Int]

  static let inFeatures = 512

  /// - Parameter outs: features out of each block.
  init(
    _ structure: Structure, outs: [Int], root: RootRule = .ownInput, reach: Int = -1,
    dtype: DType = .f64, scaling: Double? = nil, magnitude: Double = 1, seed: UInt64
  ) throws {
    var generator = SeededGenerator(seed: seed)
    let count = outs.count
    let names = (0..<count).map { TensorName("m\($0)") }
    // A forest whose blocks stand in any order, one in four a root.
    let places = Array(0..<count).shuffled(using: &generator)
    var previous = [TensorName?](repeating: nil, count: count)
    for place in 1..<max(1, count) where Int.random(in: 0..<4, using: &generator) > 0 {
      // Mostly the one before, for long chains.
      let last =
        Bool.random(using: &generator) ? place - 1 : Int.random(in: 0..<place, using: &generator)
      previous[places[place]] = names[places[last]]
    }
    let rank = 2
    let factors = try MemoryTensorSource.random(
      (0..<count).flatMap { block -> [(name: TensorName, dtype: DType, shape: [Int])] in
        [
          (TensorName("a\(block)"), .f32, [rank, Self.inFeatures]),
          (TensorName("b\(block)"), .f32, [outs[block], rank]),
        ]
      }, magnitude: 0.3, seed: seed)
    base = try MemoryTensorSource.random(
      (0..<count).reversed().map {
        (TensorName("m\($0).weight"), dtype, [outs[$0], Self.inFeatures])
      },
      magnitude: magnitude, seed: seed + 1)
    let source = factors
    adapter = try Adapter(
      label: "test", format: "test",
      blocks: (0..<count).map { block in
        try Block(
          name: names[block],
          a: Factor([TensorReference(source: source, index: 2 * block)], join: .rows),
          b: Factor([TensorReference(source: source, index: 2 * block + 1)], join: .columns),
          scaling: scaling ?? 0.5 + Double(block % 3))
      },
      topology: try Topology(
        structure: structure, root: root, reach: PredecessorCount(reach) ?? .all, names: names,
        previous: previous), notes: [])
    weights = (0..<count).map { count - 1 - $0 }
  }

  /// The row ranges of a block's tiles.
  func tiles(of block: Int) -> [Range<Int>] {
    let info = base.tensors[weights[block]]
    return RowTiles.strips(
      rows: info.shape[0], rowBytes: info.shape[1] * info.dtype.elementByteCount)
  }

  /// The bytes of some rows of a block's weight.
  func bytes(of block: Int, rows: Range<Int>) throws -> [UInt8] {
    let info = base.tensors[weights[block]]
    let rowBytes = info.shape[1] * info.dtype.elementByteCount
    return try base.bytes(
      of: weights[block], range: (rows.lowerBound * rowBytes)..<(rows.upperBound * rowBytes))
  }
}

/// Sleeps for up to a millisecond.
func sleepAtRandom() {
  _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .microseconds(Int.random(in: 0..<1000)))
}
