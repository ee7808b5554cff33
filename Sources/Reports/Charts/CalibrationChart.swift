/// The mean error against the number of tokens a method was calibrated on; methods that need none are
/// lines across.
struct CalibrationChart: Sendable {
  /// One run of a method.
  struct Run: Sendable {
    let name: String
    let style: SeriesStyle
    /// The tokens it was calibrated on; nil where the method needs none.
    let tokens: Int?
    let error: Double
    /// Its position in the comparison.
    let position: Int
  }

  private let curves: [[Run]]
  private let references: [Run]

  /// Nil unless a method was run with several numbers of tokens.
  init?(_ runs: [Run]) {
    let finite = runs.filter { $0.error.isFinite && ($0.tokens ?? 1) > 0 }
    var order: [String] = []
    var curves: [String: [Run]] = [:]
    for run in finite where run.tokens != nil {
      if curves[run.name] == nil { order.append(run.name) }
      curves[run.name, default: []].append(run)
    }
    self.curves = order.map { (curves[$0] ?? []).sorted { ($0.tokens ?? 0) < ($1.tokens ?? 0) } }
    references = finite.filter { $0.tokens == nil }
    guard self.curves.contains(where: { Set($0.map(\.tokens)).count > 1 }) else { return nil }
  }

  /// The chart as a figure of a page.
  var figure: PageFigure {
    let marks = Set(curves.flatMap { $0.compactMap(\.tokens) }).sorted().map(Double.init)
    let area = PlotArea(
      width: 440, height: 250, x: Scale(marking: marks),
      y: Scale(
        (curves.flatMap { $0 } + references).map(\.error), fromZero: true, mayBeLogarithmic: true),
      xTitle: "calibration tokens, logarithmic", yTitle: "mean error of the low-rank term")
    let legend = Legend(
      curves.compactMap(\.first).map { ($0.name, $0.style, .curve) }
        + references.map { ($0.name, $0.style, .across) })
    let drawing = Drawing.svg(
      width: area.width, height: area.height,
      label: "Mean error against calibration tokens for "
        + curves.compactMap(\.first).map(\.name).joined(separator: ", "), fills: true
    ) {
      area.axes
      for run in references { reference(run, area) }
      for curve in curves { line(curve, area) }
    }
    let across = references.isEmpty ? "" : " Dashed: methods that need no calibration."
    return PageFigure(
      content: Markup(joining: [legend.markup, Markup("div", ["class": "panel wide"]) { drawing }]),
      caption: "Mean error over all blocks by the number of tokens calibrated on." + across)
  }

  private func reference(_ run: Run, _ area: PlotArea) -> Markup {
    area.reference(
      run.error,
      ["class": "dashed \(run.style.style)", "data-mark": ""] + figure(of: run).attributes,
      title: [run.name, NumberText.full(run.error)])
  }

  @MarkupBuilder private func line(_ curve: [Run], _ area: PlotArea) -> Markup {
    let points = curve.map { (x: area.px(Double($0.tokens ?? 1)), y: area.py($0.error)) }
    if points.count > 1 { Drawing.curve(points, ["class": "line \(curve[0].style.style)"]) }
    for (run, point) in zip(curve, points) {
      run.style.marker.drawn(
        point.x, point.y,
        ["class": "point \(run.style.style)", "data-mark": ""] + figure(of: run).attributes,
        title: [
          "\(run.name), \(NumberText.count(run.tokens ?? 0, "token"))", NumberText.full(run.error),
        ])
    }
  }

  private func figure(of run: Run) -> Figure {
    Figure(key: "mean_delta_error", value: run.error, run: run.position)
  }
}
