internal import ByteIO
internal import Tensors

extension String {
  /// The text as HTML shows it, inside and outside of attributes. Characters that no page may hold or
  /// that change the direction of text around them are written as `\u{…}`.
  var escapedForPage: String {
    var escaped = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      case _ where scalar.steersTerminal:
        escaped += "\\u{\(String(scalar.value, radix: 16))}"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  /// The text with its middle left out where it has more than `limit` characters.
  func shortened(to limit: Int) -> String {
    guard unicodeScalars.count > limit else { return self }
    let scalars = Array(unicodeScalars)
    let head = (limit - 1) / 2
    var text = String.UnicodeScalarView(scalars[..<head])
    text.append("…")
    text.append(contentsOf: scalars[(scalars.count - (limit - 1 - head))...])
    return String(text)
  }
}

extension JSONValue {
  /// The JSON text as it may stand inside a script element: nothing in it can end the element or
  /// begin a comment, and it parses to the same value.
  var escapedForScript: String {
    var escaped = ""
    for scalar in serialized(indented: true).unicodeScalars {
      switch scalar {
      // Between values, and nowhere else.
      case "\n": escaped += "\n"
      case "<", ">", "&": fallthrough
      case _ where scalar.steersTerminal:
        let hex = String(scalar.value, radix: 16)
        escaped += #"\u"# + String(repeating: "0", count: 4 - hex.count) + hex
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
