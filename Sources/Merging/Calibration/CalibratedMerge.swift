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
    guard inputs.profile == .standard else { throw MergeError.publishedCalibration(method: name) }
    let (priorMethod, prior) = try prior(adapter, inputs)
    var merges = prior
    let linked = adapter.blocks.indices.filter {
      !adapter.topology.predecessors(of: $0).isEmpty
    }
    let byMatrix = Dictionary(grouping: linked) { calibration.inputs.matrixOfBlock[$0] }
    try BLAS.withoutOwnThreads {
      for (matrix, blocks) in byMatrix.sorted(by: { $0.key < $1.key }) {
        try inputs.progress(0, 0)
        let priors = try blocks.map {
          try adapter.shortcutMap(of: $0, prior[$0].combination, inputs.allowsNonFinite)
        }
        let targets = try CalibrationTargets(
          adapter, matrix: matrix, blocks: blocks, calibration.inputs, inputs)
        let fit = try RidgeFit(
          targets, paper: priors, penalty: calibration.penalty, threads: inputs.threads)
        for (position, block) in blocks.enumerated() {
          let choice = fit.choices[position]
          merges[block] = BlockMerge(
            .corrected(fit.maps[position]),
            fit: BlockFit(
              tokens: calibration.inputs.tokens,
              prior: choice.takesSlopes ? BlockFit.slopes : priorMethod, penalty: choice.penalty,
              crossValidatedError: choice.error, condition: choice.condition))
        }
      }
    }
    return merges
  }

  /// The paper's merge that fits are drawn towards: `bw` where base weights or their statistics are
  /// at hand, else `bi` where windows are, else `ls`.
  private static func prior(
    _ adapter: Adapter, _ inputs: MergeInputs
  ) throws -> (method: String, merges: [BlockMerge]) {
    let method: any MergeMethod.Type =
      if inputs.base != nil || BaseStatistics.areStored(with: adapter) {
        WeightBasedMerge.self
      } else if adapter.hasWindows {
        InputBasedMerge.self
      } else {
        LeastSquaresMerge.self
      }
    return (method.name, try method.merge(adapter, inputs))
  }
}

extension Adapter {
  /// What a merge puts in place of a block's shortcut: `R_0` with `A* = A_n + R_0`, [rank, in].
  func shortcutMap(
    of block: Int, _ combination: BlockMerge.Combination, _ allowsNonFinite: Bool
  ) throws -> Matrix {
    func load(_ position: Int) throws -> Matrix {
      try blocks[position].a.load(allowingNonFinite: allowsNonFinite)
    }
    switch combination {
    case .scaled(let factor): return try load(block).scaled(by: factor - 1)
    case .mixed(let alpha):
      var sum = Matrix(rows: blocks[block].rank, columns: blocks[block].inFeatures)
      for (factor, predecessor) in zip(alpha, topology.predecessors(of: block)) {
        let other = try load(predecessor)
        for i in sum.values.indices { sum.values[i] += factor * other.values[i] }
      }
      return sum
    case .corrected(let map): return map
    case .joined: preconditionFailure("no combination of is and ms")
    }
  }
}
