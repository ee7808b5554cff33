/// A number of every block as a colour, families by layers.
///
/// Eleven steps from faint to strong whose lightness rises evenly, so that they differ for colour-blind
/// eyes and in grey print; the style sheet turns them around in the dark.
struct HeatMap: Sendable {
  /// What the number is, for people.
  var title: String
  /// More about it.
  var explanation = ""
  /// Its JSON key.
  var key: String
  /// Whether it is a share, shown in percent.
  var isShare = false
  /// The position of the method in a comparison.
  var run: Int?
  /// The blocks' names.
  var names: [String]
  /// The number of each block; nil where it has none.
  var values: [Double?]
  /// Where they stand.
  var grid: BlockGrid
  /// The colours' scale, where several maps share one.
  var scale: Scale

  /// Steps of colour.
  static let steps = 11
  /// Rows that are drawn; what is beyond is in the table.
  static let maximumRows = 96

  /// The scale of numbers that belong together.
  static func scale(of values: [Double?]) -> Scale {
    let finite = values.compactMap { $0 }.filter(\.isFinite)
    let least = finite.min() ?? 0
    let most = finite.max() ?? 1
    return Scale(finite, fromZero: least >= 0 && least < most / 2, mayBeLogarithmic: true)
  }

  /// The map as a figure of a page.
  var figure: PageFigure {
    let left = grid.families.count - HeatMap.maximumRows
    let note = left > 0 ? " \(NumberText.count(left)) more rows are in the table." : ""
    return PageFigure(drawing: drawing, caption: caption + note, title: title)
  }

  private var caption: String {
    let logarithmic = scale.isLogarithmic ? " Logarithmic colours." : ""
    let places =
      grid.isSequence
      ? "Blocks in their order, row by row, the first of each row counted at its left."
      : "A row for each kind of block, a column for each layer."
    return [explanation, places + logarithmic].filter { !$0.isEmpty }.joined(separator: " ")
  }

  private var drawing: Markup {
    let size = HeatMapLayout(grid)
    return Drawing.svg(width: size.width, height: size.height, label: label) {
      for (number, band) in size.bands.enumerated() {
        for (column, place) in band.columns.enumerated() where size.isLabelled(column) {
          Drawing.label(
            grid.layers[place].map { "\($0)" } ?? "–", size.centre(of: column),
            band.top - 6, anchor: .middle)
        }
        for (row, family) in band.rows.enumerated() {
          if !family.label.isEmpty {
            Drawing.label(
              family.label.shortened(to: HeatMapLayout.labelLength), size.left - 10,
              size.top(of: row, in: number) + size.cellHeight / 2 + 4, "row", anchor: .end,
              title: family.label)
          }
          for cell in family.cells {
            self.cell(
              cell.block, x: size.x(of: cell.column), y: size.top(of: row, in: number), size)
          }
        }
      }
      legend(size)
    }
  }

  private func cell(_ block: Int, x: Double, y: Double, _ size: HeatMapLayout) -> Markup? {
    guard let value = values[block] else { return nil }
    let figure = Figure(
      block: names[block], key: key, value: value, run: run, digits: 3, isShare: isShare)
    let step = value.isFinite ? "h\(scale.part(value, of: HeatMap.steps))" : "hx"
    let gap = size.cellWidth < 12 ? 0.5 : 1.0
    let lines = [names[block], "\(title): \(NumberText.full(value))"]
    let rect = Drawing.rect(
      x + gap, y + gap, size.cellWidth - 2 * gap, size.cellHeight - 2 * gap,
      radius: size.cellWidth < 12 ? 0 : 3,
      ["class": "cell \(step)", "data-mark": ""] + figure.attributes, title: lines)
    guard size.showsNumbers, value.isFinite, figure.text.columns <= 7 else { return rect }
    return Markup(joining: [
      rect,
      Drawing.label(
        figure.text, x + size.cellWidth / 2, y + size.cellHeight / 2 + 4, "in \(step)",
        anchor: .middle),
    ])
  }

  private func legend(_ size: HeatMapLayout) -> Markup {
    let width = HeatMapLayout.legendWidth
    let part = width / Double(HeatMap.steps)
    let y = size.height - HeatMapLayout.legendHeight + 14
    return Markup("g", ["class": "legend"]) {
      for step in 0..<HeatMap.steps {
        Drawing.rect(size.left + Double(step) * part, y, part, 10, ["class": "cell h\(step)"])
      }
      for tick in scale.ticks {
        let x = size.left + scale.share(tick.value) * width
        Drawing.line(x, y + 10, x, y + 14, "axis")
        Drawing.label(
          isShare ? tick.percentLabel : tick.label, x, y + 27, anchor: .middle)
      }
    }
  }

  private var label: String {
    let finite = values.enumerated().compactMap { index, value in
      value.flatMap { $0.isFinite ? (index, $0) : nil }
    }
    guard let most = finite.max(by: { $0.1 < $1.1 }), let least = finite.min(by: { $0.1 < $1.1 })
    else { return "Heat map: \(title), no finite numbers" }
    return "Heat map: \(title) of \(NumberText.count(names.count, "block")), from "
      + "\(NumberText.short(least.1)) to \(NumberText.short(most.1)) in \(names[most.0])"
  }
}
