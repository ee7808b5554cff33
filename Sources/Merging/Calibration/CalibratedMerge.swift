internal import Activations
public import Adapters
internal import LinearAlgebra
internal import Tensors

/// `calibrated`: the best linear map in place of the shortcut, fitted on captured inputs by ridge
/// regression towards the paper's merge (Replay §4.2).
public enum CalibratedMerge: MergeMethod {
  /// The name on the command line.
  public static let name = "calibrated"
  /// What it does.
  public static let summary = "replace the shortcut by a linear map fitted on captured inputs"
  /// It does: a shortcut from another input.
  public static let estimates = true
  /// It is.
  public static let needsCalibration = true

  /// Adds to each A the map that is fitted to its shortcut.
  ///
  /// Memory: the maps of all blocks in float64, [rank, in] each, and what one `RidgeSystem` takes.
  ///
  /// - Throws: `MergeError`, `CaptureError.nonFinite`, `LinearAlgebraError`, errors of reading.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    let calibration = try inputs.calibration(for: adapter, name)
    let paper = try inputs.paper ?? PaperMerge(adapter, inputs)
    // What has no shortcut to fit is exact in every merge but none.
    var merges = paper?.merges ?? adapter.unfitted
    let linked = adapter.blocks.indices.filter {
      !adapter.topology.predecessors(of: $0).isEmpty
    }
    let byMatrix = calibration.inputs.byMatrix(linked)
    let steps =
      byMatrix.count
      * RidgeFit.steps(tokens: calibration.inputs.tokens, penalty: calibration.penalty)
    var done = 0
    try BLAS.withoutOwnThreads(on: inputs.threads) {
      for (matrix, blocks) in byMatrix {
        let priors = try paper.map { paper in
          try blocks.map {
            try adapter.shortcutMap(of: $0, paper.merges[$0].combination, inputs.allowsNonFinite)
          }
        }
        let targets = try CalibrationTargets(
          adapter, matrix: matrix, blocks: blocks, calibration.inputs, inputs)
        let fit = try RidgeFit(
          targets, paper: priors, penalty: calibration.penalty, threads: inputs.threads
        ) {
          try inputs.fitProgress(done, steps)
          done += 1
        }
        for (position, block) in blocks.enumerated() {
          let choice = fit.choices[position]
          merges[block] = BlockMerge(
            .corrected(fit.maps[position]),
            fit: BlockFit(
              tokens: calibration.inputs.tokens,
              prior: choice.takesSlopes ? BlockFit.slopes : paper?.method ?? BlockFit.slopes,
              penalty: choice.penalty, lambda: choice.penalty * fit.meanEigenvalue,
              crossValidatedError: choice.error, condition: choice.condition))
        }
      }
    }
    return merges
  }
}

extension Adapter {
  /// The merges of blocks without a shortcut to fit (Merging §4.6).
  fileprivate var unfitted: [BlockMerge] {
    blocks.map { _ in
      guard structure == .inputShortcut else { return BlockMerge(.scaled(1)) }
      let alpha = rootFactor(.standard)
      return BlockMerge(.scaled(1 + alpha), alpha: [alpha])
    }
  }

  /// What a merge puts in place of a block's shortcut: `R_0` with `A* = A_n + R_0`, [rank, in].
  func shortcutMap(
    of block: Int, _ combination: BlockMerge.Combination, _ allowsNonFinite: Bool
  ) throws -> Matrix {
    switch combination {
    case .scaled(let factor):
      return try blocks[block].a.load(allowingNonFinite: allowsNonFinite).scaled(by: factor - 1)
    case .mixed(let alpha):
      let nothing = Matrix(rows: blocks[block].rank, columns: blocks[block].inFeatures)
      return try mixed(nothing, alpha, topology.predecessors(of: block), allowsNonFinite)
    case .corrected(let map): return map
    case .joined: preconditionFailure("no combination of is and ms")
    }
  }
}
