import Tensors

/// Numbers and sizes for people.
enum Format {
  /// Six significant digits.
  static func number(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
    let exponent = significantExponent(value)
    if exponent < -4 || exponent >= 9 { return scientific(value, exponent) }
    return fixed(value, decimals: max(0, 5 - exponent))
  }

  /// A relative error; what is only rounding in float64 counts as 0.
  static func error(_ value: Double) -> String { value < 1e-12 ? "0" : number(value) }

  /// A share as a percentage with one decimal.
  static func percent(_ share: Double) -> String { fixed(share * 100, decimals: 1) + " %" }

  /// `12.3 MB`, in powers of 1000.
  static func bytes(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["B", "kB", "MB", "GB"] {
      if value < 1000 { return unit == "B" ? "\(count) B" : "\(fixed(value, decimals: 1)) \(unit)" }
      value /= 1000
    }
    return "\(fixed(value, decimals: 1)) TB"
  }

  /// `[4096, 11008]`
  static func shape(_ shape: [Int]) -> String {
    "[\(shape.map(String.init).joined(separator: ", "))]"
  }

  static func fixed(_ value: Double, decimals: Int) -> String {
    var power = 1.0
    for _ in 0..<decimals { power *= 10 }
    let scaled = (abs(value) * power).rounded()
    guard scaled < 1e18 else { return "\(value)" }
    let digits = String(Int(scaled))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value < 0 && scaled != 0 ? "-" : ""
    if decimals == 0 { return sign + padded }
    return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
  }

  private static func scientific(_ value: Double, _ exponent: Int) -> String {
    var mantissa = abs(value)
    for _ in 0..<abs(exponent) { mantissa = exponent < 0 ? mantissa * 10 : mantissa / 10 }
    return "\(value < 0 ? "-" : "")\(fixed(mantissa, decimals: 4))e\(exponent)"
  }

  private static func significantExponent(_ value: Double) -> Int {
    var magnitude = abs(value)
    var exponent = 0
    while magnitude >= 10 { (magnitude, exponent) = (magnitude / 10, exponent + 1) }
    while magnitude < 1 { (magnitude, exponent) = (magnitude * 10, exponent - 1) }
    // What six digits round up to the next power of ten: 0.9999997 is 1.00000.
    return (magnitude * 1e5).rounded() < 1e6 ? exponent : exponent + 1
  }
}
