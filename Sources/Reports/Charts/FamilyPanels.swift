/// Numbers of blocks as points over their layers, a panel for each family, all with one vertical scale.
struct FamilyPanels: Sendable {
  /// Points that belong together, such as one method's.
  struct Series: Sendable {
    /// Its name, for the legend.
    let name: String
    let style: SeriesStyle
    /// The JSON key of its numbers.
    let key: String
    /// The position of the method in a comparison.
    var run: Int?
    /// The numbers of each block.
    let values: [[Double]]
    /// Where they are from a list, the position of the first: their keys are `alpha.0`, `alpha.1`, ….
    var first: Int?
    /// Whether points are joined.
    var isJoined = true
    /// Whether points are outlines.
    var isHollow = false
  }

  /// What the numbers are, for people and the axis.
  let title: String
  let names: [String]
  let grid: BlockGrid
  let series: [Series]
  /// Whether the axis begins at 0.
  let fromZero: Bool
  var mayBeLogarithmic = false

  /// Panels that are drawn; what is beyond is in the table.
  static let maximumPanels = 24

  /// The factors of mixes, a series for each distance to the predecessor, the farthest as one.
  static func mix(_ factors: [[Double]]) -> [Series] {
    let most = factors.map(\.count).max() ?? 0
    let single = most <= 5 ? most : 4
    let near = (0..<single).map { position in
      Series(
        name: "\(position + 1) before",
        style: SeriesStyle(colour: position, marker: Marker.allCases[position]), key: "alpha",
        values: factors.map { $0.count > position ? [$0[position]] : [] }, first: position)
    }
    guard most > single else { return near }
    return near + [
      Series(
        name: "\(single + 1) to \(most) before",
        style: SeriesStyle(colour: 5, marker: Marker.allCases[5]), key: "alpha",
        values: factors.map { Array($0.dropFirst(single)) }, first: single, isJoined: false)
    ]
  }

  /// The panels as a figure; nil where there are no numbers.
  func figure(caption: String) -> PageFigure? {
    let all = series.flatMap { $0.values.flatMap { $0 } }.filter(\.isFinite)
    guard !all.isEmpty else { return nil }
    let y = Scale(all, fromZero: fromZero, mayBeLogarithmic: mayBeLogarithmic)
    let shown = grid.families.prefix(FamilyPanels.maximumPanels)
    let left = grid.families.count - shown.count
    let note = left > 0 ? " \(NumberText.count(left)) more families are in the table." : ""
    let content = Markup(joining: [
      Legend(series.map { ($0.name, $0.style, $0.isHollow ? .point : .curve) }).markup,
      Markup("div", ["class": "panels"]) {
        for family in shown { panel(family, y) }
      },
    ])
    let kind = y.isLogarithmic ? " Logarithmic axis." : ""
    return PageFigure(content: content, caption: caption + kind + note)
  }

  private func panel(_ family: BlockGrid.Family, _ y: Scale) -> Markup {
    // Names without a layer stand behind the others.
    let last = family.members.compactMap(\.layer).max() ?? -1
    let layers = family.members.map { Double($0.layer ?? last + 1) }
    let area = PlotArea(
      width: 400, height: 220, x: LayerScale.scale(layers), y: y, xTitle: grid.columnTitle,
      yTitle: title)
    let label =
      "\(title) of \(family.label), \(NumberText.count(family.members.count, "block")); "
      + series.map(\.name).joined(separator: ", ")
    return Markup("div", ["class": "panel"]) {
      Markup("h3", ["title": family.label]) { family.label.shortened(to: 60) }
      Drawing.svg(width: area.width, height: area.height, label: label, fills: true) {
        area.axes
        for one in series { line(one, family, layers, area) }
        for one in series { points(one, family, layers, area) }
      }
    }
  }

  private func line(
    _ series: Series, _ family: BlockGrid.Family, _ layers: [Double], _ area: PlotArea
  ) -> Markup? {
    guard series.isJoined else { return nil }
    let points = zip(family.members, layers).compactMap { member, layer in
      series.values[member.block].count == 1 && series.values[member.block][0].isFinite
        ? (x: area.px(layer), y: area.py(series.values[member.block][0])) : nil
    }
    return points.count < 2
      ? nil : Drawing.curve(points, ["class": "line \(series.style.style)"])
  }

  @MarkupBuilder private func points(
    _ series: Series, _ family: BlockGrid.Family, _ layers: [Double], _ area: PlotArea
  ) -> Markup {
    // Where many stand close, smaller ones.
    let scale = family.members.count > 40 ? 0.55 : 1
    for (member, layer) in zip(family.members, layers) {
      for (position, value) in series.values[member.block].enumerated() where value.isFinite {
        point(series, member.block, position, value, area.px(layer), area, scale)
      }
    }
  }

  private func point(
    _ series: Series, _ block: Int, _ position: Int, _ value: Double, _ x: Double, _ area: PlotArea,
    _ scale: Double
  ) -> Markup {
    let key = series.first.map { "\(series.key).\($0 + position)" } ?? series.key
    let figure = Figure(block: names[block], key: key, value: value, run: series.run)
    let which =
      series.values[block].count > 1 ? ", number \((series.first ?? 0) + position + 1)" : ""
    return series.style.marker.drawn(
      x, area.py(value), scale: scale,
      [
        "class": "\(series.isHollow ? "hollow" : "point") \(series.style.style)",
        "data-mark": "",
      ] + figure.attributes,
      title: [names[block], "\(series.name)\(which): \(NumberText.full(value))"])
  }
}

/// Horizontal axes of layers: whole numbers only.
enum LayerScale {
  static func scale(_ layers: [Double]) -> Scale {
    let scale = Scale(layers, ticks: min(10, max(1, layers.count - 1)))
    let isSingle = Set(layers).count == 1
    return Scale(
      low: isSingle ? (layers.first ?? 0) - 1 : layers.min() ?? 0,
      high: isSingle ? (layers.first ?? 0) + 1 : layers.max() ?? 1,
      ticks: isSingle
        ? layers.prefix(1).map { Scale.Tick(value: $0, label: "\(Int($0))") }
        : scale.ticks.filter {
          $0.value == $0.value.rounded() && $0.value >= (layers.min() ?? 0)
            && $0.value <= (layers.max() ?? 0)
        })
  }
}
