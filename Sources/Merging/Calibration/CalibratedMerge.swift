public import Adapters
internal import LinearAlgebra

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
    let fits = try CalibratedFits(adapter, inputs)
    let paper = try inputs.paper ?? PaperMerge(adapter, inputs)
    let steps = fits.groups.indices.reduce(0) { $0 + fits.steps(of: $1) }
    var done = 0
    let fitted = try BLAS.withoutOwnThreads(on: inputs.threads) {
      try fits.groups.indices.map { group in
        try fits.fit(group, paper: paper) {
          try inputs.fitProgress(done, steps)
          done += 1
        }
      }
    }
    return fits.merges(paper: paper, fitted: fitted)
  }
}
