public import Adapters
public import Tensors
internal import TestSupport

/// A plain LoRA held in memory.
public struct MemoryLoRA: PlainLoRA {
  /// What is known of every block.
  public let blocks: [PlainBlock]

  private let all: [PlainFactors]

  /// Holds blocks of seeded random factors.
  public init(
    _ shapes: [(name: TensorName, out: Int, in: Int, rank: Int)], scaling: Double = 1,
    magnitude: Double = 1, seed: UInt64 = 1
  ) {
    var generator = SeededGenerator(seed: seed)
    all = shapes.map { shape in
      PlainFactors(
        a: Matrix(
          rows: shape.rank, columns: shape.in, values: generator.values(shape.rank * shape.in)),
        b: Matrix(
          rows: shape.out, columns: shape.rank, values: generator.values(shape.out * shape.rank)
        )
        .scaled(by: magnitude))
    }
    blocks = shapes.map { shape in
      PlainBlock(
        name: shape.name, rank: shape.rank, inFeatures: shape.in, outFeatures: shape.out,
        scaling: scaling, aDType: .f32, bDType: .f32)
    }
  }

  /// The factors of a block.
  public func factors(of index: Int) throws -> PlainFactors { all[index] }

  /// `s B A` of a block, by the plainest of loops.
  public func delta(of index: Int) -> [Double] {
    let (a, b, scaling) = (all[index].a, all[index].b, blocks[index].scaling)
    var delta = [Double](repeating: 0, count: b.rows * a.columns)
    for row in 0..<b.rows {
      for k in 0..<a.rows {
        let factor = scaling * b[row, k]
        for column in 0..<a.columns { delta[row * a.columns + column] += factor * a[k, column] }
      }
    }
    return delta
  }
}
