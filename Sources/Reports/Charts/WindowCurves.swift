internal import Adapters

/// The norms that blocks saw in the last batches of training, a panel for each family and window, a
/// line for each layer.
struct WindowCurves: Sendable {
  let adapter: ReportedAdapter
  let grid: BlockGrid

  /// What is drawn at most; a window may hold a million norms.
  private static let maximumFamilies = 12
  private static let maximumLines = 24
  private static let maximumPoints = 120
  /// The steps of the heat maps' colours that lines are seen in.
  private static let colours = 3...9

  /// One line.
  private struct Line {
    let block: Int
    let layer: Int?
    /// Batches and norms, means of several where there are many.
    let points: [(x: Double, y: Double)]
    let values: [Double]
  }

  /// The curves as a figure; nil where no block has a window.
  var figure: PageFigure? {
    let families = grid.families.filter { family in
      family.members.contains { !adapter.blocks[$0.block].windows.isEmpty }
    }
    guard !families.isEmpty else { return nil }
    let shown = families.prefix(WindowCurves.maximumFamilies)
    let panels = Markup("div", ["class": "panels pairs"]) {
      for family in shown {
        panel(family, "‖x‖", "input", \.input)
        panel(family, "‖A x‖", "projection", \.projection)
      }
    }
    let layers = shown.flatMap { $0.members.compactMap(\.layer) }
    var caption =
      "Norms of the inputs and projections of the last batches of training, oldest first; "
      + "bi merges by their means."
    if grid.families.count > shown.count {
      caption +=
        " \(NumberText.count(grid.families.count - shown.count)) more families are left out."
    }
    return PageFigure(
      content: Markup(joining: [legend(layers), panels]), caption: caption)
  }

  private func panel(
    _ family: BlockGrid.Family, _ symbol: String, _ name: String,
    _ window: KeyPath<NormWindows, NormWindow>
  ) -> Markup? {
    let all = family.members.compactMap { line($0.block, $0.layer, window) }
    // Of many, some that are equally far apart.
    let some = min(all.count, WindowCurves.maximumLines)
    let lines = (0..<some).map { all[some < 2 ? 0 : $0 * (all.count - 1) / (some - 1)] }
    guard !lines.isEmpty else { return nil }
    let count = lines.map(\.values.count).max() ?? 1
    let area = PlotArea(
      width: 400, height: 200,
      x: Scale([0, Double(max(1, count - 1))]), y: Scale(lines.flatMap { $0.points.map(\.y) }),
      xTitle: all.count > lines.count
        ? "batch (\(lines.count) of \(all.count) layers are drawn)" : "batch",
      yTitle: symbol)
    let label =
      "Norms \(symbol) of \(family.label) over \(NumberText.count(count)) batches, "
      + NumberText.count(lines.count, "line")
    let layers = family.members.compactMap(\.layer)
    return Markup("div", ["class": "panel"]) {
      Markup("h3", ["title": family.label]) { "\(family.label.shortened(to: 50)) · \(name)" }
      Drawing.svg(width: area.width, height: area.height, label: label, fills: true) {
        area.axes
        for line in lines {
          Drawing.curve(
            line.points.map { (x: area.px($0.x), y: area.py($0.y)) },
            [
              "class": "line l\(colour(line.layer, layers))",
              "data-window": adapter.blocks[line.block].name,
            ],
            title: title(line))
        }
      }
    }
  }

  private func title(_ line: Line) -> [String] {
    let mean = line.values.reduce(0, +) / Double(line.values.count)
    return [
      adapter.blocks[line.block].name,
      "\(NumberText.count(line.values.count, "norm")), mean \(NumberText.short(mean, digits: 6))",
    ]
  }

  private func line(
    _ block: Int, _ layer: Int?, _ window: KeyPath<NormWindows, NormWindow>
  ) -> Line? {
    let values = adapter.blocks[block].windows[keyPath: window].values.filter(\.isFinite)
    guard !values.isEmpty else { return nil }
    let stride = (values.count + WindowCurves.maximumPoints - 1) / WindowCurves.maximumPoints
    let points = Swift.stride(from: 0, to: values.count, by: stride).map { start in
      let part = values[start..<min(start + stride, values.count)]
      return (
        x: Double(start) + Double(part.count - 1) / 2, y: part.reduce(0, +) / Double(part.count)
      )
    }
    // A single norm is a short line.
    let drawn = points.count == 1 ? points + [(x: points[0].x + 0.2, y: points[0].y)] : points
    return Line(block: block, layer: layer, points: drawn, values: values)
  }

  private func colour(_ layer: Int?, _ layers: [Int]) -> Int {
    guard let layer, let first = layers.min(), let last = layers.max(), last > first else {
      return WindowCurves.colours.upperBound
    }
    let span = Double(WindowCurves.colours.count - 1)
    let share = Double(layer - first) / Double(last - first)
    return WindowCurves.colours.lowerBound + Int((share * span).rounded())
  }

  /// From which layer to which the colours go.
  private func legend(_ layers: [Int]) -> Markup? {
    guard let first = layers.min(), let last = layers.max(), last > first else { return nil }
    let width = 14.0 * Double(WindowCurves.colours.count)
    return Markup("p", ["class": "legend"]) {
      "\(grid.isSequence ? "block" : "layer") \(first)"
      Markup(
        "svg",
        [
          "width": "\(width.coordinate)", "height": "8", "viewBox": "0 0 \(width.coordinate) 8",
          "class": "key", "aria-hidden": "true",
        ]
      ) {
        for (position, colour) in WindowCurves.colours.enumerated() {
          Drawing.rect(14 * Double(position), 0, 14, 8, ["class": "fill l\(colour)"])
        }
      }
      "\(last)"
    }
  }
}
