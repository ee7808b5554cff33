/// A part of a page under a heading.
struct PageSection: Sendable {
  /// Where links to it lead.
  let anchor: String
  /// The heading.
  let title: String
  /// What is under it.
  let content: Markup

  init(_ anchor: String, _ title: String, @MarkupBuilder _ content: () -> Markup) {
    self.anchor = anchor
    self.title = title
    self.content = content()
  }

  /// A section of figures; nil where there are none.
  init?(_ anchor: String, _ title: String, figures: [PageFigure?], introduction: String? = nil) {
    let figures = figures.compactMap { $0 }
    guard !figures.isEmpty else { return nil }
    self.init(anchor, title) {
      if let introduction { Markup("p") { introduction } }
      for figure in figures { figure.markup }
    }
  }

  /// The section element.
  var markup: Markup {
    Markup("section", ["id": anchor, "aria-labelledby": "\(anchor)-title"]) {
      Markup("h2", ["id": "\(anchor)-title"]) { title }
      content
    }
  }
}
