internal import LinearAlgebra
internal import Tensors

/// The fits of all blocks of one matrix of inputs, λ chosen by cross-validation unless it is given
/// (Replay §4.2).
struct RidgeFit {
  /// What was chosen for a block.
  struct Choice {
    /// λ over the mean eigenvalue of G; infinite where the prior is left as it is.
    var penalty: Double
    /// The relative error that cross-validation expects.
    var error: Double?
    var condition: Double?
  }

  let choices: [Choice]
  /// What is added to the prior, [r, features]; nil where it is left as it is.
  let corrections: [Matrix?]

  /// λ as multiples of the mean eigenvalue of G: half powers of ten from 1e-6 to 1e2, and infinity.
  static let penalties: [Double] =
    (-12...4).map { exponent in
      let whole = exponent >= 0 ? exponent / 2 : -((1 - exponent) / 2)
      var value = 1.0
      for _ in 0..<abs(whole) { value = whole < 0 ? value / 10 : value * 10 }
      return exponent % 2 == 0 ? value : value * 10.0.squareRoot()
    } + [.infinity]

  /// The number of folds, if there are as many tokens.
  static let foldCount = 5

  init(_ targets: CalibrationTargets, penalty: Double?, threads: Int) throws {
    let system = try RidgeSystems.make(targets, threads: threads)
    var choices = RidgeFit.choose(targets, penalty)
    if penalty == nil { choices = try RidgeFit.choose(targets, system) }
    var corrections = [Matrix?](repeating: nil, count: targets.blocks.count)
    let used = Set(choices.map(\.penalty)).filter(\.isFinite).sorted()
    for penalty in used where system.meanEigenvalue > 0 {
      let (rows, condition) = try system.fit(lambda: penalty * system.meanEigenvalue)
      for position in choices.indices where choices[position].penalty == penalty {
        choices[position].condition = condition
        corrections[position] = try targets.correction(
          position, rows.rows(targets.rows[position]))
      }
    }
    self.choices = choices
    self.corrections = corrections
  }

  private static func choose(_ targets: CalibrationTargets, _ penalty: Double?) -> [Choice] {
    targets.blocks.map { _ in Choice(penalty: penalty ?? .infinity) }
  }

  /// The λ of least error for each block; the largest of equal ones.
  private static func choose(
    _ targets: CalibrationTargets, _ system: any RidgeSystem
  ) throws -> [Choice] {
    let finite = system.meanEigenvalue > 0 ? penalties.filter(\.isFinite) : []
    let folds = folds(targets.tokens)
    var errors =
      folds.count < 2
      ? []
      : try system.crossValidated(folds, lambdas: finite.map { $0 * system.meanEigenvalue })
    errors.append(system.squares)
    let tried = penalties.suffix(errors.count)
    return targets.blocks.indices.map { position in
      var best = Choice(penalty: .infinity)
      var least = Double.infinity
      for (penalty, rows) in zip(tried, errors).reversed() {
        let error = targets.rows[position].reduce(0) { $0 + targets.weights[$1] * rows[$1] }
        if error < least { (least, best.penalty) = (error, penalty) }
      }
      let reference = system.references[position]
      best.error = reference > 0 ? (max(0, least) / reference).squareRoot() : 0
      return best
    }
  }

  /// Consecutive tokens, as equal in number as can be: neighbours are of one text, so a fold of
  /// every fifth token would be predicted by tokens beside it.
  static func folds(_ tokens: Int) -> [Range<Int>] {
    let count = min(foldCount, tokens)
    return (0..<count).map { (tokens * $0 / count)..<(tokens * ($0 + 1) / count) }
  }
}

extension Matrix {
  /// Some of the rows.
  func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      values: Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)]))
  }
}
