internal import ByteIO

/// One number of a result, with what a reader of the page's source needs to find it in the JSON.
struct Figure: Sendable {
  /// The block it is of; nil for one of the whole run.
  var block: String?
  /// The JSON key; an element of a list as `alpha.0`.
  var key: String
  /// The number.
  var value: Double
  /// The position of the method in a comparison.
  var run: Int?
  /// How many digits are shown.
  var digits = 4
  /// Whether it is a share, shown in percent.
  var isShare = false

  /// What marks an element as showing this number. NaN and infinities, which JSON has no words for,
  /// have no value.
  var attributes: Attributes {
    [
      "data-block": block, "data-key": key, "data-run": run.map { "\($0)" },
      "data-value": value.isFinite ? value.shortestText : nil,
    ]
  }

  /// The number for people.
  var text: String {
    isShare ? NumberText.percent(value) : NumberText.short(value, digits: digits)
  }

  /// The number as running text, all digits in the tooltip.
  var span: Markup {
    Markup("span", ["class": "n", "title": NumberText.full(value)] + attributes) { text }
  }

  /// The number as a cell of a table.
  var cell: Markup {
    Markup("td", ["class": "n", "title": NumberText.full(value)] + attributes) { text }
  }
}
