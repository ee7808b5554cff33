internal import Activations
internal import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Replaying
internal import Tensors

/// `S = Σ p pᵀ` with `p = A x` of every block of a plain LoRA over captured inputs: in it the norm of
/// `B A` is that of what the block puts out (Replay §5).
enum InputMetric {
  /// The sums of some blocks, [rank, rank]; nil for others. Each matrix of inputs is read once.
  ///
  /// Memory: the A of the blocks that share a matrix, a tile of 64 MiB, and all sums.
  ///
  /// - Throws: `CaptureError.nonFinite`, errors of reading.
  static func sums(
    _ lora: any PlainLoRA, of blocks: [Int], _ captured: CapturedInputs, _ inputs: MergeInputs
  ) throws -> [Matrix?] {
    var sums = [Matrix?](repeating: nil, count: lora.blocks.count)
    for (matrix, blocks) in captured.byMatrix(blocks) {
      let projections = try Projections(
        captured,
        try blocks.map { Projections.Request(matrix: matrix, factor: try lora.factors(of: $0).a) })
      var own = blocks.map {
        Matrix(rows: lora.blocks[$0].rank, columns: lora.blocks[$0].rank)
      }
      try projections.run(
        tileRows: projections.tileRows, threads: inputs.threads,
        allowsNonFinite: inputs.allowsNonFinite, progress: { _ in try inputs.progress(0, 0) }
      ) { tile in
        let added = try Parallel.map(blocks.count, threads: inputs.threads) { position in
          let p = tile.matrix(of: position).transposed
          return try p.timesTransposed(p)
        }
        for (position, sum) in added.enumerated() {
          for i in sum.values.indices { own[position].values[i] += sum.values[i] }
        }
      }
      for (block, sum) in zip(blocks, own) { sums[block] = sum }
    }
    return sums
  }
}
