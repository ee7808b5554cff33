extension Double {
  /// The shortest decimal digits that read back as the same finite number, laid out as ECMAScript
  /// does (RFC 8785 §3.2.2.3) but for the negative zero, which is `-0` (Adapter §2.4).
  package var shortestText: String {
    let sign = sign == .minus ? "-" : ""
    guard self != 0 else { return sign + "0" }
    // Swift's digits are the shortest, its layout is another.
    let parts = magnitude.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".")
    let all = mantissa.joined()
    let digits = all.drop { $0 == "0" }
    let trailing = digits.reversed().prefix { $0 == "0" }.count
    let significant = digits.dropLast(trailing)
    // The number is 0.DIGITS · 10^point.
    let point =
      mantissa[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) - (all.count - digits.count)
    func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }
    switch point {
    case significant.count...max(significant.count, 21) where point <= 21:
      return sign + significant + zeros(point - significant.count)
    case 1...21: return sign + significant.prefix(point) + "." + significant.dropFirst(point)
    case -5...0: return sign + "0." + zeros(-point) + significant
    default:
      let fraction = significant.count > 1 ? "." + significant.dropFirst() : ""
      let exponent = point - 1
      return sign + significant.prefix(1) + fraction + "e" + (exponent > 0 ? "+" : "-")
        + "\(abs(exponent))"
    }
  }
}
