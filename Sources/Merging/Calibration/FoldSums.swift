/// Sums over the tokens of each fold of a cross-validation. What lies outside of a fold is added up
/// from the others, never taken as a difference: where there is nothing, there is nothing.
struct FoldSums {
  /// The tokens of each fold.
  let folds: [Range<Int>]
  /// Sums over all tokens.
  private(set) var total: TokenSums

  private var byFold: [TokenSums] = []
  private let none: TokenSums

  /// Nothing yet.
  init(_ targets: CalibrationTargets, folds: [Range<Int>]) {
    self.folds = folds
    none = targets.noSums
    total = none
  }

  /// Takes the sums over the next fold.
  mutating func append(_ sums: TokenSums) {
    total.add(sums)
    byFold.append(sums)
  }

  /// The sums over a fold.
  func inside(_ fold: Int) -> TokenSums { byFold[fold] }

  /// The sums over all other folds.
  func outside(_ fold: Int) -> TokenSums {
    var sums = none
    for (other, own) in byFold.enumerated() where other != fold { sums.add(own) }
    return sums
  }
}
