/// Shapes of SVG, coordinates in pixels from the top left corner.
enum Drawing {
  /// How a label lies to its point.
  enum Anchor: String {
    case start, middle, end
  }

  /// A drawing of a size, named for people who can't see it.
  ///
  /// - Parameter fills: whether it grows with the page up to a fifth, and shrinks; others keep their
  ///   size and scroll.
  static func svg(
    width: Double, height: Double, label: String, fills: Bool = false,
    @MarkupBuilder _ content: () -> Markup
  ) -> Markup {
    Markup(
      "svg",
      [
        "viewBox": "0 0 \(width.coordinate) \(height.coordinate)", "role": "img",
        "aria-label": label, "class": fills ? "fills" : nil, "width": width.coordinate,
        "height": height.coordinate,
      ]
    ) { content() }
  }

  static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String
  ) -> Markup {
    Markup(
      "line",
      [
        "class": style, "x1": x1.coordinate, "y1": y1.coordinate, "x2": x2.coordinate,
        "y2": y2.coordinate,
      ])
  }

  static func rect(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, radius: Double = 0,
    _ attributes: Attributes, title: [String] = []
  ) -> Markup {
    Markup(
      "rect",
      [
        "x": x.coordinate, "y": y.coordinate, "width": width.coordinate,
        "height": height.coordinate, "rx": radius == 0 ? nil : radius.coordinate,
      ] + attributes
    ) { Drawing.title(title) }
  }

  static func circle(
    _ x: Double, _ y: Double, radius: Double, _ attributes: Attributes, title: [String] = []
  ) -> Markup {
    Markup(
      "circle",
      ["cx": x.coordinate, "cy": y.coordinate, "r": radius.coordinate] + attributes
    ) { Drawing.title(title) }
  }

  static func path(_ data: String, _ attributes: Attributes, title: [String] = []) -> Markup {
    Markup("path", ["d": data] + attributes) { Drawing.title(title) }
  }

  /// A line through points.
  static func curve(
    _ points: [(x: Double, y: Double)], _ attributes: Attributes, title: [String] = []
  ) -> Markup {
    let data = points.enumerated().map { position, point in
      "\(position == 0 ? "M" : "L")\(point.x.coordinate) \(point.y.coordinate)"
    }
    return path(data.joined(), attributes, title: title)
  }

  static func label(
    _ text: String, _ x: Double, _ y: Double, _ style: String = "tick", anchor: Anchor = .start,
    title: String? = nil
  ) -> Markup {
    Markup(
      "text",
      [
        "class": style, "x": x.coordinate, "y": y.coordinate,
        "text-anchor": anchor == .start ? nil : anchor.rawValue,
      ]
    ) {
      text
      Drawing.title([title ?? ""])
    }
  }

  private static func title(_ lines: [String]) -> Markup? {
    lines.allSatisfy(\.isEmpty) ? nil : Markup("title") { Markup(lines: lines) }
  }
}

extension Double {
  /// A coordinate with two decimals at most.
  var coordinate: String {
    precondition(isFinite && abs(self) < 1e9, "coordinate \(self)")
    let hundredths = Int((self * 100).rounded())
    let sign = hundredths < 0 ? "-" : ""
    let (whole, rest) = abs(hundredths).quotientAndRemainder(dividingBy: 100)
    if rest == 0 { return "\(sign)\(whole)" }
    return "\(sign)\(whole)."
      + (rest % 10 == 0 ? "\(rest / 10)" : (rest < 10 ? "0" : "") + "\(rest)")
  }
}
