internal import LinearAlgebra
internal import Tensors

/// The fits of all blocks of one matrix of inputs: prior and penalty chosen by cross-validation
/// unless the penalty is given (Replay §4.2).
struct RidgeFit {
  /// What was chosen for a block.
  struct Choice {
    /// Whether the prior of slopes was taken, not the paper's.
    var takesSlopes = false
    /// c, λ over the mean eigenvalue of G; infinite where the prior is left as it is.
    var penalty: Double
    /// The relative error that cross-validation expects.
    var error: Double?
    var condition: Double?
  }

  let choices: [Choice]
  /// `trace(G) / features`, by which c becomes λ.
  let meanEigenvalue: Double
  /// The map of each block, `R` in `A* = A + R`, [r, features].
  let maps: [Matrix]

  /// The values of c, largest first: infinity, then half powers of ten from 1e2 down to 1e-6.
  static let penalties: [Double] =
    [.infinity]
    + (0...16).map { step in
      var value = 100.0
      for _ in 0..<(step / 2) { value /= 10 }
      return step % 2 == 0 ? value : value / 10.0.squareRoot()
    }

  /// The number of folds, if there are as many tokens.
  static let foldCount = 5

  /// Fits the blocks.
  ///
  /// - Parameters:
  ///   - paper: the paper's prior of each block, [r, features], where there is one.
  ///   - source: see `RidgeSystems.make`.
  init(
    _ targets: CalibrationTargets, paper: [Matrix]?, penalty: Double?,
    source: (any FoldSource)? = nil, threads: Int, step: () throws -> Void
  ) throws {
    try step()
    let folds = RidgeFit.folds(targets.tokens)
    let system = try RidgeSystems.make(targets, folds: folds, source: source, threads: threads)
    meanEigenvalue = system.sums.total.meanEigenvalue
    var choices = targets.blocks.map { _ in
      Choice(takesSlopes: paper == nil, penalty: penalty ?? .infinity)
    }
    if penalty == nil, folds.count > 1 {
      choices = try RidgeFit.choose(targets, system, paper.map(targets.rotated), step)
    }
    let slopes = targets.slopePriors(system.sums.total)
    var maps = targets.blocks.indices.map { position in
      choices[position].takesSlopes ? slopes[position] : paper?[position] ?? slopes[position]
    }
    let largest = system.largestEigenvalue()
    // Of the chosen prior of each block; blocks share what one penalty factorises.
    let prior = try targets.rotated(maps)
    for penalty in Set(choices.map(\.penalty)).sorted() where penalty.isFinite && largest > 0 {
      let correction = try system.correction(penalty: penalty, prior: prior)
      for position in choices.indices where choices[position].penalty == penalty {
        choices[position].condition = 1 + largest / (penalty * meanEigenvalue)
        let own = try targets.map(position, correction)
        for i in own.values.indices { maps[position].values[i] += own.values[i] }
      }
    }
    self.choices = choices
    self.maps = maps
  }

  /// The prior and penalty of least error for each block; of nearly equal ones the largest penalty,
  /// then the first prior.
  private static func choose(
    _ targets: CalibrationTargets, _ system: any RidgeSystem,
    _ paper: Matrix?, _ step: () throws -> Void
  ) throws -> [Choice] {
    let errors = try system.crossValidated(penalties: penalties, paper: paper, step: step)
    return targets.blocks.indices.map { position in
      // Below it an error is what rounding left of the sums it is the difference of.
      let whole = targets.rows[position].reduce(0) {
        $0 + targets.weights[$1] * system.sums.total.squares[$1]
      }
      let floor = 1e-7 * whole.squareRoot()
      var tried: [(choice: Choice, error: Double)] = []
      for (index, penalty) in penalties.enumerated() {
        for prior in errors.indices {
          let error = targets.rows[position].reduce(0) {
            $0 + targets.weights[$1] * errors[prior][index][$1]
          }
          let takesSlopes = paper == nil || prior == 1
          tried.append(
            (
              Choice(takesSlopes: takesSlopes, penalty: penalty),
              error.squareRoot() < floor ? 0 : error.squareRoot()
            ))
        }
      }
      // Inputs that are no numbers may give none; then nothing is fitted.
      let least = tried.map(\.error).filter { !$0.isNaN }.min() ?? .nan
      var (best, error) = tried.first { $0.error <= least * (1 + 1e-9) } ?? tried[0]
      let reference = system.sums.total.references[position].squareRoot()
      error = reference == 0 ? 0 : error / reference
      best.error = error.isNaN ? nil : error
      return best
    }
  }

  /// How often `step` is called for one matrix of inputs.
  static func steps(tokens: Int, penalty: Double?) -> Int {
    let folds = folds(tokens).count
    return 1 + (penalty == nil && folds > 1 ? folds * penalties.count : 0)
  }

  /// Consecutive tokens, as equal in number as can be: neighbours are of one text, so a fold of
  /// every fifth token would be predicted by tokens beside it.
  static func folds(_ tokens: Int) -> [Range<Int>] {
    let count = min(foldCount, tokens)
    return (0..<count).map { (tokens * $0 / count)..<(tokens * ($0 + 1) / count) }
  }
}
