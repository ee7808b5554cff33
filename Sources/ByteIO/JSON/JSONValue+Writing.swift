extension JSONValue {
  /// A number of float64, in the shortest text that reads back as the same; `null` for infinities
  /// and NaN, which JSON has no words for.
  public static func double(_ value: Double) -> JSONValue {
    value.isFinite ? .number(JSONNumber(text: value.shortestText)) : .null
  }

  /// An integer.
  public static func integer(_ value: some FixedWidthInteger) -> JSONValue {
    .number(JSONNumber(text: "\(value)"))
  }

  /// An object of members whose keys differ.
  public static func members(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
    .object(JSONObject(members))
  }

  /// The text, compact or with an indentation of two spaces.
  public func serialized(indented: Bool = false) -> String {
    var text = ""
    write(into: &text, indentation: indented ? 0 : nil)
    return text
  }

  private func write(into text: inout String, indentation: Int?) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let value): text += value.text
    case .string(let value): JSONValue.writeString(value, into: &text)
    case .array(let elements):
      // Short arrays of numbers read better on one line.
      let flat = elements.allSatisfy { $0.number != nil }
      JSONValue.writeList(
        elements, "[", "]", into: &text, indentation: flat ? nil : indentation,
        separator: flat && indentation != nil ? ", " : ","
      ) { $0.write(into: &$1, indentation: $2) }
    case .object(let object):
      JSONValue.writeList(
        object.members, "{", "}", into: &text, indentation: indentation, separator: ","
      ) { member, text, inner in
        JSONValue.writeString(member.key, into: &text)
        text += inner == nil ? ":" : ": "
        member.value.write(into: &text, indentation: inner)
      }
    }
  }

  private static func writeList<Element>(
    _ elements: [Element], _ open: String, _ close: String, into text: inout String,
    indentation: Int?, separator: String, _ writeElement: (Element, inout String, Int?) -> Void
  ) {
    text += open
    let inner = indentation.map { $0 + 1 }
    for (position, element) in elements.enumerated() {
      if position > 0 { text += separator }
      if let inner { text += "\n" + String(repeating: "  ", count: inner) }
      writeElement(element, &text, inner)
    }
    if let indentation, !elements.isEmpty {
      text += "\n" + String(repeating: "  ", count: indentation)
    }
    text += close
  }

  /// Escapes as the reference safetensors writer does: only what JSON requires, by its short forms.
  package static func writeString(_ string: String, into text: inout String) {
    text += "\""
    defer { text += "\"" }
    let isPlain = string.utf8.allSatisfy {
      $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
    }
    if isPlain {
      text += string
      return
    }
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += #"\""#
      case "\\": text += #"\\"#
      case "\u{08}": text += #"\b"#
      case "\u{0c}": text += #"\f"#
      case "\n": text += #"\n"#
      case "\r": text += #"\r"#
      case "\t": text += #"\t"#
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        text += #"\u"# + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
  }
}

extension JSONObject {
  /// An object of members whose keys differ; those that are nil are left out.
  public init(_ members: KeyValuePairs<String, JSONValue?>) {
    self.init()
    append(members)
  }

  /// Adds members whose keys are not there yet; those that are nil are left out.
  public mutating func append(_ members: KeyValuePairs<String, JSONValue?>) {
    for (key, value) in members {
      guard let value else { continue }
      let added = append(key, value)
      precondition(added, "key '\(key)' twice")
    }
  }
}
