/// `bw` by forming every matrix (Merging §4.4, §4.6), in the plainest of loops.
struct WeightMergeOracle {
  /// One block: `w` [out, in], `a` [rank, in], `b` [out, rank], row-major.
  struct Block {
    let out: Int
    let `in`: Int
    let rank: Int
    let w: [Double]
    let a: [Double]
    let b: [Double]
    let scaling: Double
    let previous: Int?

    /// `B M` for M of A's shape.
    func product(_ m: [Double]) -> [Double] {
      var product = [Double](repeating: 0, count: out * `in`)
      for row in 0..<out {
        for k in 0..<rank {
          for column in 0..<`in` {
            product[row * `in` + column] += b[row * rank + k] * m[k * `in` + column]
          }
        }
      }
      return product
    }

    /// `⟨Bᵀ W, M⟩ = ⟨W, B M⟩`
    func cross(_ m: [Double]) -> Double {
      zip(w, product(m)).reduce(0) { $0 + $1.0 * $1.1 }
    }

    var squaredNorm: Double { w.reduce(0) { $0 + $1 * $1 } }
  }

  let blocks: [Block]
  /// The merge factors of each block, and `‖W + Δ‖`.
  private(set) var alphas: [[Double]] = []
  private(set) var norms: [Double] = []

  /// Input-shortcut; blocks stand after their predecessors.
  init(inputShortcut blocks: [Block], rootFactor: Double) {
    self.blocks = blocks
    for block in blocks {
      let alpha: Double =
        if let last = block.previous {
          blocks[last].previous.map { norms[$0] / norms[last] } ?? 1
        } else {
          rootFactor
        }
      let factor = (1 + alpha) * block.scaling
      alphas.append([alpha])
      norms.append(Self.norm(block.w, block.product(block.a.map { $0 * factor })))
    }
  }

  /// Middle-shortcut with up to `reach` predecessors.
  init(middleShortcut blocks: [Block], reach: Int) {
    self.blocks = blocks
    for block in blocks {
      var mixed = block.a
      var alpha: [Double] = []
      var next = block.previous
      while let predecessor = next, alpha.count < reach, let last = block.previous {
        alpha.append(blocks[predecessor].previous.map { norms[$0] / norms[last] } ?? 1)
        for index in mixed.indices {
          mixed[index] += (alpha.last ?? 0) * blocks[predecessor].a[index]
        }
        next = blocks[predecessor].previous
      }
      alphas.append(alpha)
      norms.append(Self.norm(block.w, block.product(mixed.map { $0 * block.scaling })))
    }
  }

  private static func norm(_ w: [Double], _ delta: [Double]) -> Double {
    zip(w, delta).reduce(0) { $0 + ($1.0 + $1.1) * ($1.0 + $1.1) }.squareRoot()
  }
}
