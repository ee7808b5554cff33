/// What a page draws, read out of its source.
struct Drawn {
  /// One drawing.
  struct Chart {
    let width: Double
    let height: Double
    let source: Substring
    /// The points that shapes begin and end at.
    let points: [(x: Double, y: Double)]
    /// The labels, in order.
    let labels: [String]
  }

  let charts: [Chart]

  init(_ html: String) {
    charts = html.matches(
      of: #/<svg viewBox="0 0 (?<width>[\d.]+) (?<height>[\d.]+)".*?</svg>/#.dotMatchesNewlines()
    ).map { match in
      let source = match.output.0
      func number(_ text: some StringProtocol) -> Double { Double(String(text)) ?? .nan }
      var points: [(x: Double, y: Double)] = []
      for rect in source.matches(
        of: #/<rect x="(-?[\d.]+)" y="(-?[\d.]+)" width="([\d.]+)" height="([\d.]+)"/#)
      {
        let (x, y) = (number(rect.output.1), number(rect.output.2))
        points += [(x, y), (x + number(rect.output.3), y + number(rect.output.4))]
      }
      for circle in source.matches(of: #/cx="(-?[\d.]+)" cy="(-?[\d.]+)"/#) {
        points.append((number(circle.output.1), number(circle.output.2)))
      }
      for label in source.matches(of: #/ x="(-?[\d.]+)" y="(-?[\d.]+)"/#) {
        points.append((number(label.output.1), number(label.output.2)))
      }
      for corner in source.matches(of: #/[ML](-?[\d.]+) (-?[\d.]+)/#) {
        points.append((number(corner.output.1), number(corner.output.2)))
      }
      for line in source.matches(
        of: #/x1="(-?[\d.]+)" y1="(-?[\d.]+)" x2="(-?[\d.]+)" y2="(-?[\d.]+)"/#)
      {
        points.append((number(line.output.1), number(line.output.2)))
        points.append((number(line.output.3), number(line.output.4)))
      }
      let labels = source.matches(of: #/<text class="tick"[^>]*>([^<]*)</#)
        .map { String($0.output.1) }
      return Chart(
        width: number(match.output.width), height: number(match.output.height), source: source,
        points: points, labels: labels)
    }
  }

  /// The points that lie outside of their drawing.
  var strays: [String] {
    charts.flatMap { chart in
      chart.points.filter {
        !((-0.01...chart.width + 0.01).contains($0.x)
          && (-0.01...chart.height + 0.01).contains($0.y))
      }.map { "(\($0.x), \($0.y)) of \(chart.width) x \(chart.height)" }
    }
  }
}
