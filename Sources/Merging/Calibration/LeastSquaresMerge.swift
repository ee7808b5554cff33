internal import Activations
public import Adapters
internal import ByteIO
internal import LinearAlgebra
internal import Replaying
internal import Tensors

/// `ls`: the scalar that least squares gives on captured inputs (Replay §4.1).
public enum LeastSquaresMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "ls"
  /// What it does.
  public static let summary = "scale by the factor that fits captured inputs best"
  /// It does: a shortcut from another input.
  public static let estimates = true
  /// It is.
  public static let needsCalibration = true

  /// Scales every block by `1 + α`.
  ///
  /// - Throws: `MergeError.missingCalibration`, `MergeError.notForStructure`; errors of reading.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    let captured = try inputs.calibration(for: adapter, name).inputs
    let sums = try scalarSums(adapter, captured, inputs)
    return adapter.blocks.indices.map { block in
      guard adapter.hasMergeFactor(block) else { return BlockMerge(.scaled(1)) }
      let alpha = sums[block].alpha
      return BlockMerge(.scaled(1 + alpha), alpha: [alpha])
    }
  }

  /// The sums behind α of every block, in one reading of the inputs.
  private static func scalarSums(
    _ adapter: Adapter, _ captured: CapturedInputs, _ inputs: MergeInputs
  ) throws -> [ScalarSums] {
    var all = [ScalarSums](repeating: ScalarSums(), count: adapter.blocks.count)
    try BLAS.withoutOwnThreads(on: inputs.threads) {
      for blocks in captured.groups(of: adapter) {
        let forward = try ShortcutForward(
          adapter, blocks: blocks, captured, allowsNonFinite: inputs.allowsNonFinite)
        let projections = try Projections(captured, forward.requests)
        let norms = try Parallel.map(blocks.count, threads: inputs.threads) {
          try Factorisation.qr(
            forward.left(of: blocks[$0], allowsNonFinite: inputs.allowsNonFinite)
          ).r
        }
        try projections.run(
          tileRows: projections.tileRows, threads: inputs.threads,
          allowsNonFinite: inputs.allowsNonFinite, progress: { _ in try inputs.progress(0, 0) }
        ) { tile in
          let sums = try Parallel.map(blocks.count, threads: inputs.threads) { position in
            try forward.scalarSums(of: blocks[position], in: tile, norms[position])
          }
          for (block, sums) in zip(blocks, sums) { all[block].add(sums) }
        }
      }
    }
    return all
  }
}

extension MergeInputs {
  /// The calibration that a method needs, for an adapter that has shortcuts to fit.
  ///
  /// - Throws: `MergeError.notForStructure`, `MergeError.missingCalibration`,
  ///   `MergeError.publishedCalibration`.
  func calibration(for adapter: Adapter, _ method: String) throws(MergeError) -> Calibration {
    guard adapter.structure == .inputShortcut || adapter.structure == .middleShortcut else {
      throw .notForStructure(method: method, structure: adapter.structure)
    }
    guard let calibration else { throw .missingCalibration(method: method) }
    guard profile == .standard else { throw .publishedCalibration(method: method) }
    return calibration
  }
}
