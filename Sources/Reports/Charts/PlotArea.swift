/// The axes of a chart: where numbers lie in it, grid lines and labels.
struct PlotArea: Sendable {
  let width: Double
  let height: Double
  let x: Scale
  let y: Scale
  /// What the axes show, with units.
  let xTitle: String
  let yTitle: String
  /// Whether numbers on the vertical axis are shares.
  var yIsShare = false

  private static let top = 24.0
  private static let bottom = 38.0
  private static let right = 14.0

  /// The edge of the axis, labels before it.
  private var left: Double {
    let longest = y.ticks.map { label($0).columns }.max() ?? 1
    return 14 + 6.6 * Double(longest)
  }

  init(
    width: Double, height: Double, x: Scale, y: Scale, xTitle: String, yTitle: String,
    yIsShare: Bool = false
  ) {
    self.width = width
    self.height = height
    self.x = x
    self.y = y
    self.xTitle = xTitle
    self.yTitle = yTitle
    self.yIsShare = yIsShare
  }

  /// Where a number lies from the left. Points keep a marker's distance from both sides.
  func px(_ value: Double) -> Double {
    left + 8 + x.share(value) * (width - left - PlotArea.right - 16)
  }

  /// Where a number lies from the top.
  func py(_ value: Double) -> Double {
    let bottom = height - PlotArea.bottom
    return bottom - y.share(value) * (bottom - PlotArea.top)
  }

  /// Grid lines, axis and labels.
  var axes: Markup {
    let bottom = height - PlotArea.bottom
    return Markup("g", ["class": "axes"]) {
      for tick in y.ticks {
        Drawing.line(left, py(tick.value), width - PlotArea.right, py(tick.value), "grid")
        Drawing.label(label(tick), left - 6, py(tick.value) + 4, anchor: .end)
      }
      for tick in shownTicks {
        Drawing.line(px(tick.value), bottom, px(tick.value), bottom + 4, "axis")
        Drawing.label(tick.label, px(tick.value), bottom + 16, anchor: .middle)
      }
      Drawing.line(left, bottom, width - PlotArea.right, bottom, "axis")
      Drawing.label(
        xTitle, (left + width - PlotArea.right) / 2, height - 5, "name", anchor: .middle)
      Drawing.label(yTitle, 2, 12, "name")
    }
  }

  /// A line across at a number, with what it is.
  func reference(_ value: Double, _ attributes: Attributes, title: [String]) -> Markup {
    Drawing.path(
      "M\(left.coordinate) \(py(value).coordinate)H\((width - PlotArea.right).coordinate)",
      attributes, title: title)
  }

  /// The horizontal ticks whose labels do not run into each other.
  private var shownTicks: [Scale.Tick] {
    var end = -Double.infinity
    return x.ticks.filter { tick in
      let half = 3.4 * Double(tick.label.columns) + 3
      guard px(tick.value) - half > end else { return false }
      end = px(tick.value) + half
      return true
    }
  }

  private func label(_ tick: Scale.Tick) -> String {
    yIsShare ? tick.percentLabel : tick.label
  }
}
