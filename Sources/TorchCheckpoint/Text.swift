internal import Tensors

extension String {
  /// The text between quotes for a message: escaped, and cut where a file made it long.
  var quotedForMessage: String {
    let limit = 200
    let scalars = unicodeScalars.prefix(limit + 1)
    guard scalars.count > limit else { return "'\(escapedForTerminal)'" }
    return "'\(String(String.UnicodeScalarView(scalars.dropLast())).escapedForTerminal)…'"
  }
}

extension FixedWidthInteger {
  /// The number as `0x…`.
  var hexadecimal: String { "0x\(String(self, radix: 16))" }
}
