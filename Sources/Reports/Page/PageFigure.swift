/// A drawing with its caption.
struct PageFigure: Sendable {
  /// The drawings, legends and boxes.
  let content: Markup
  /// What is seen.
  let caption: String
  /// The heading, where figures stand side by side.
  let title: String?

  init(content: Markup, caption: String, title: String? = nil) {
    self.content = content
    self.caption = caption
    self.title = title
  }

  /// A drawing that keeps its size and scrolls where the page is narrower.
  init(drawing: Markup, caption: String, title: String? = nil) {
    self.init(content: PageFigure.box(drawing), caption: caption, title: title)
  }

  /// A box in which wide content scrolls; reached by the keyboard too.
  static func box(_ content: Markup) -> Markup {
    Markup("div", ["class": "scroll", "tabindex": "0"]) { content }
  }

  /// The figure element.
  var markup: Markup {
    Markup("figure") {
      if let title { Markup("h3") { title } }
      content
      Markup("figcaption") { caption }
    }
  }
}
