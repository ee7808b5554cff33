package import ByteIO
package import Tensors

// Fits on their way between machines, numbers as `BlockStatistics.json` has them.

extension BlockMerge {
  /// What is known of a fitted block beside its map; nil for one that is not fitted.
  package var fittedJSON: (map: Matrix, record: JSONValue)? {
    guard case .corrected(let map) = combination, let fit else { return nil }
    return (
      map,
      .members([
        "tokens": .integer(fit.tokens),
        "prior": .string(fit.prior),
        "c": .bits(of: fit.penalty),
        "lambda": .bits(of: fit.lambda),
        "cross_validated_error": fit.crossValidatedError.map(JSONValue.bits),
        "condition": fit.condition.map(JSONValue.bits),
        "folded_norm": foldedNorm.map(JSONValue.bits),
      ])
    )
  }

  /// Reads a fitted block back; nil for anything else than `fittedJSON` gives.
  package init?(map: Matrix, record: JSONValue) {
    guard let object = record.object, let tokens = object["tokens"]?.number?.integer,
      let prior = object["prior"]?.string, let penalty = object["c"]?.bitsOfDouble,
      let lambda = object["lambda"]?.bitsOfDouble
    else { return nil }
    var isSound = true
    func optional(_ key: String) -> Double? {
      guard let value = object[key] else { return nil }
      if value.bitsOfDouble == nil { isSound = false }
      return value.bitsOfDouble
    }
    let fit = BlockFit(
      tokens: tokens, prior: prior, penalty: penalty, lambda: lambda,
      crossValidatedError: optional("cross_validated_error"), condition: optional("condition"))
    self.init(.corrected(map), foldedNorm: optional("folded_norm"), fit: fit)
    guard isSound else { return nil }
  }
}
