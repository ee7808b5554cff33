/// A drawing with its caption.
struct PageFigure: Sendable {
  /// The drawings, legends and boxes.
  let content: Markup
  /// What is seen.
  let caption: String

  init(content: Markup, caption: String) {
    self.content = content
    self.caption = caption
  }

  /// A drawing that keeps its size and scrolls where the page is narrower.
  init(drawing: Markup, caption: String) {
    self.init(content: PageFigure.box(drawing), caption: caption)
  }

  /// A box in which wide content scrolls; reached by the keyboard too.
  static func box(_ content: Markup) -> Markup {
    Markup("div", ["class": "scroll", "tabindex": "0"]) { content }
  }

  /// The figure element.
  var markup: Markup {
    Markup("figure") {
      content
      Markup("figcaption") { caption }
    }
  }
}
