internal import ByteIO

/// Numbers for people, in pages.
enum NumberText {
  /// What stands where a figure has no value: where JSON has null.
  static let none = "no value"

  /// A number to some significant digits: `0.1674`, `11.32`, `1.23e−7`.
  static func short(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return none }
    guard value != 0 else { return "0" }
    let exponent = exponent(of: value)
    if exponent < -4 || exponent >= 7 { return scientific(value, exponent, digits: digits) }
    return fixed(value, decimals: max(0, digits - 1 - exponent))
  }

  /// All digits, as the JSON prints them.
  static func full(_ value: Double) -> String {
    value.isFinite ? value.shortestText : none
  }

  /// A share in percent.
  static func percent(_ share: Double) -> String {
    guard share.isFinite else { return none }
    return abs(share) >= 0.1 || share == 0
      ? fixed(share * 100, decimals: 1) + " %" : short(share * 100, digits: 2) + " %"
  }

  /// A size, in powers of 1000.
  static func bytes(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["B", "kB", "MB", "GB"] {
      if value < 1000 { return unit == "B" ? "\(count) B" : "\(fixed(value, decimals: 1)) \(unit)" }
      value /= 1000
    }
    return "\(fixed(value, decimals: 1)) TB"
  }

  /// A count in groups of three digits.
  static func count(_ count: Int) -> String {
    let digits = Array(String(abs(count)))
    var text = count < 0 ? "−" : ""
    for (position, digit) in digits.enumerated() {
      if position > 0, (digits.count - position) % 3 == 0 { text += "\u{202f}" }
      text.append(digit)
    }
    return text
  }

  /// `1 block`, `12 blocks`.
  static func count(_ number: Int, _ noun: String) -> String {
    "\(count(number)) \(noun)\(number == 1 ? "" : "s")"
  }

  /// The label of a tick on a scale whose ticks are `step` apart.
  static func tick(_ value: Double, step: Double) -> String {
    guard value != 0 else { return "0" }
    let exponent = exponent(of: value)
    let stepExponent = NumberText.exponent(of: step)
    if exponent >= 6 || stepExponent < -5 {
      return scientific(value, exponent, digits: max(1, min(exponent - stepExponent, 6) + 1))
    }
    return fixed(value, decimals: max(0, -stepExponent))
  }

  /// A number with that many decimals.
  static func fixed(_ value: Double, decimals: Int) -> String {
    var power = 1.0
    for _ in 0..<decimals { power *= 10 }
    let scaled = (abs(value) * power).rounded()
    guard scaled < 1e18 else { return value.shortestText }
    let digits = String(Int(scaled))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value < 0 && scaled != 0 ? "−" : ""
    if decimals == 0 { return sign + padded }
    return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
  }

  private static func scientific(_ value: Double, _ exponent: Int, digits: Int) -> String {
    var mantissa = abs(value)
    for _ in 0..<abs(exponent) { mantissa = exponent < 0 ? mantissa * 10 : mantissa / 10 }
    let power = exponent < 0 ? "−\(-exponent)" : "\(exponent)"
    return "\(value < 0 ? "−" : "")\(fixed(mantissa, decimals: digits - 1))e\(power)"
  }

  /// The power of ten of the first digit; 0 for 0.
  private static func exponent(of value: Double) -> Int {
    guard value != 0, value.isFinite else { return 0 }
    var magnitude = abs(value)
    var exponent = 0
    while magnitude >= 10 { (magnitude, exponent) = (magnitude / 10, exponent + 1) }
    while magnitude < 1 { (magnitude, exponent) = (magnitude * 10, exponent - 1) }
    // 0.01 · 10 · 10 may fall just below or above.
    if magnitude > 9.999_999_999_999 { exponent += 1 }
    return exponent
  }
}
