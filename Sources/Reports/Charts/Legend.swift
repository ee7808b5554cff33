/// The names of series beside their colours and markers.
struct Legend: Sendable {
  /// How a series is drawn.
  enum Look: Sendable {
    /// Points on a line.
    case curve
    /// Outlined points.
    case point
    /// A dashed line.
    case across
  }

  private let entries: [(name: String, style: SeriesStyle, look: Look)]

  init(_ entries: [(String, SeriesStyle, Look)]) { self.entries = entries }

  /// A list; nil for a single series, which the caption names.
  var markup: Markup? {
    guard entries.count > 1 else { return nil }
    return Markup("ul", ["class": "legend"]) {
      for entry in entries {
        Markup("li") {
          Markup(
            "svg",
            [
              "width": "22", "height": "12", "viewBox": "0 0 22 12", "aria-hidden": "true",
              "class": "key",
            ]
          ) { key(entry.style, entry.look) }
          entry.name
        }
      }
    }
  }

  @MarkupBuilder private func key(_ style: SeriesStyle, _ look: Look) -> Markup {
    switch look {
    case .curve:
      Drawing.line(1, 6, 21, 6, "line \(style.style)")
      style.marker.drawn(11, 6, ["class": "point \(style.style)"], title: [])
    case .point: style.marker.drawn(11, 6, ["class": "hollow \(style.style)"], title: [])
    case .across: Drawing.line(1, 6, 21, 6, "dashed \(style.style)")
    }
  }
}
