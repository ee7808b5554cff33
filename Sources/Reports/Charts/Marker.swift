/// The shape of a series' points, so that series differ without colour too.
enum Marker: Int, CaseIterable, Sendable {
  case circle, square, diamond, triangle, triangleDown, cross

  /// The point as an element, 4 pixels about its centre unless scaled.
  func drawn(
    _ x: Double, _ y: Double, scale: Double = 1, _ attributes: Attributes, title: [String]
  ) -> Markup {
    func polygon(_ corners: [(Double, Double)]) -> Markup {
      let data = corners.enumerated().map { position, corner in
        "\(position == 0 ? "M" : "L")\((x + scale * corner.0).coordinate) \((y + scale * corner.1).coordinate)"
      }
      return Drawing.path(data.joined() + "Z", attributes, title: title)
    }
    switch self {
    case .circle: return Drawing.circle(x, y, radius: 3.4 * scale, attributes, title: title)
    case .square: return polygon([(-3, -3), (3, -3), (3, 3), (-3, 3)])
    case .diamond: return polygon([(0, -4.2), (4.2, 0), (0, 4.2), (-4.2, 0)])
    case .triangle: return polygon([(0, -4), (4, 3.2), (-4, 3.2)])
    case .triangleDown: return polygon([(0, 4), (4, -3.2), (-4, -3.2)])
    case .cross:
      return polygon([
        (-1.2, -4), (1.2, -4), (1.2, -1.2), (4, -1.2), (4, 1.2), (1.2, 1.2), (1.2, 4), (-1.2, 4),
        (-1.2, 1.2), (-4, 1.2), (-4, -1.2), (-1.2, -1.2),
      ])
    }
  }
}

/// The colour and marker of a series.
struct SeriesStyle: Sendable, Equatable {
  /// How many colours the style sheet has.
  static let colours = 8

  /// Which colour of the style sheet.
  let colour: Int
  /// The shape of its points.
  let marker: Marker

  /// The class that gives an element the colour.
  var style: String { "s\(colour)" }

  /// What a chart without comparison is drawn in.
  static let only = SeriesStyle(colour: 0, marker: .circle)
  /// What the oracle is drawn in.
  static let oracle = SeriesStyle(colour: 7, marker: .diamond)

  /// The methods of this tool look the same in every page; others take what is left.
  static func of(methods: [String]) -> [SeriesStyle] {
    let known: [String: SeriesStyle] = [
      "bw": SeriesStyle(colour: 0, marker: .circle),
      "bi": SeriesStyle(colour: 1, marker: .square),
      "calibrated": SeriesStyle(colour: 2, marker: .diamond),
      "ls": SeriesStyle(colour: 3, marker: .triangle),
      "exact": SeriesStyle(colour: 4, marker: .triangleDown),
      "none": SeriesStyle(colour: 5, marker: .cross),
    ]
    var next = 0
    return methods.map { method in
      if let style = known[method] { return style }
      defer { next += 1 }
      return SeriesStyle(
        colour: 6 - next % 7, marker: Marker.allCases[next % Marker.allCases.count])
    }
  }
}
