import Activations
import Adapters
import ArgumentParser
import FoldJobs
import Merging
import Tensors

/// Captured inputs to fit a merge on.
struct CalibrationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Captured inputs that ls, calibrated and auto are fitted on, and ranks cut by: a file, or a folder of files.",
      valueName: "file"))
  var calibration: String?

  @Option(
    name: .customLong("calibration-tokens"),
    help: ArgumentHelp(
      "Fit on the first n tokens (default: all); verify takes several, 256,1024.",
      valueName: "n"))
  var tokens: TokenCounts?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How strongly calibrated is drawn to the paper's merge (default: by cross-validation).",
      valueName: "number"))
  var penalty: Double?

  func validate() throws {
    guard calibration != nil || tokens == nil && penalty == nil else {
      throw ValidationError("--calibration-tokens and --penalty go with --calibration FILE")
    }
    // Below it, what is left of the captured inputs' own rounding decides the fit.
    if let penalty, !(penalty >= 1e-10) {
      throw ValidationError("--penalty must be 1e-10 or more")
    }
  }

  /// Refuses several numbers of tokens where there is one result.
  func checkSingle() throws {
    guard tokens?.counts.count ?? 1 == 1 else {
      throw ValidationError("--calibration-tokens takes one number here; verify compares several")
    }
  }

  /// What is asked for, for a fold.
  var choice: FoldRequest.CalibrationChoice? {
    calibration.map {
      FoldRequest.CalibrationChoice(path: $0, tokens: tokens?.counts.first, penalty: penalty)
    }
  }

  /// The calibrations asked for, one for each number of tokens; none without a file.
  func calibrations(for adapter: Adapter) throws -> [Calibration] {
    guard let path = calibration else { return [] }
    let file = try ActivationFile(path: path, hdf5: .isolated)
    let counts: [Int?] = tokens.map { $0.counts.map { $0 } } ?? [nil]
    return try counts.map {
      Calibration(try CapturedInputs(file, for: adapter, tokens: $0), penalty: penalty)
    }
  }
}

/// Numbers of tokens, `256,1024`.
struct TokenCounts: ExpressibleByArgument {
  let counts: [Int]

  init?(argument: String) {
    let counts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard counts.allSatisfy({ $0 ?? 0 > 0 }) else { return nil }
    self.counts = counts.compactMap { $0 }.uniqued
  }
}
