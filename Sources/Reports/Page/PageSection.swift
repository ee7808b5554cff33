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

  /// A section of figures, some of them side by side where there is room; nil where there are none.
  init?(
    _ anchor: String, _ title: String, figures: [PageFigure?] = [], side: [PageFigure?] = []
  ) {
    let figures = figures.compactMap { $0 }
    let side = side.compactMap { $0 }
    guard !figures.isEmpty || !side.isEmpty else { return nil }
    self.init(anchor, title) {
      for figure in figures { figure.markup }
      if !side.isEmpty {
        Markup("div", ["class": "side"]) { for figure in side { figure.markup } }
      }
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
