/// A piece of HTML or SVG.
///
/// Text from outside enters by `init(text:)` and attribute values only, and both escape it; names of
/// elements and attributes are literals of this module.
struct Markup: Sendable {
  /// The HTML.
  let html: String

  /// Text, escaped.
  init(text: String) { html = text.escapedForPage }

  /// Text such as a path or a block's name, which may break after its separators.
  init(breakable text: String) {
    var html = ""
    var part = ""
    for scalar in text.unicodeScalars {
      part.unicodeScalars.append(scalar)
      guard "._/:-".unicodeScalars.contains(scalar) else { continue }
      html += part.escapedForPage + "<wbr>"
      part = ""
    }
    self.html = html + part.escapedForPage
  }

  /// Lines of text, escaped: for tooltips, in which line breaks show.
  init(lines: [String]) {
    html = lines.filter { !$0.isEmpty }.map(\.escapedForPage).joined(separator: "\n")
  }

  /// An element with its content.
  init(
    _ name: StaticString, _ attributes: Attributes = [:],
    @MarkupBuilder _ content: () -> Markup = { Markup(joining: []) }
  ) {
    let isVoid = ["meta", "link", "br"].contains("\(name)")
    html =
      "<\(name)\(attributes.html)>" + content().html + (isVoid ? "" : "</\(name)>")
  }

  /// Several pieces, one after another; those that are nil are left out.
  init(joining pieces: [Markup?]) { html = pieces.compactMap { $0?.html }.joined() }

  /// Text of this module that needs no escaping: the style sheet, and JSON made safe for a script
  /// element.
  init(trusted html: String) { self.html = html }
}

/// Attributes of an element, their values escaped; those that are nil are left out.
struct Attributes: ExpressibleByDictionaryLiteral, Sendable {
  /// The attributes as they stand in a tag, each after a space.
  let html: String

  init(dictionaryLiteral elements: (StaticString, String?)...) {
    html = elements.map { name, value in
      value.map { " \(name)=\"\($0.escapedForPage)\"" } ?? ""
    }.joined()
  }

  private init(html: String) { self.html = html }

  static func + (left: Attributes, right: Attributes) -> Attributes {
    Attributes(html: left.html + right.html)
  }
}

/// Lets content be written as a list of elements, loops and conditions.
@resultBuilder
enum MarkupBuilder {
  static func buildExpression(_ piece: Markup) -> Markup { piece }
  static func buildExpression(_ text: String) -> Markup { Markup(text: text) }
  static func buildExpression(_ piece: Markup?) -> Markup { piece ?? Markup(joining: []) }
  static func buildBlock(_ pieces: Markup...) -> Markup { Markup(joining: pieces) }
  static func buildOptional(_ piece: Markup?) -> Markup { piece ?? Markup(joining: []) }
  static func buildEither(first piece: Markup) -> Markup { piece }
  static func buildEither(second piece: Markup) -> Markup { piece }
  static func buildArray(_ pieces: [Markup]) -> Markup { Markup(joining: pieces) }
}
