/// The numbers behind the drawings.
struct DataTable: Sendable {
  /// A cell.
  enum Cell: Sendable {
    case text(String)
    case integer(Int)
    /// A number; nil leaves the cell empty.
    case figure(Figure?)
    /// Several numbers.
    case figures([Figure])
    case markup(Markup)
  }

  /// A column's heading; the tooltip says what it is.
  struct Column: Sendable {
    let title: String
    let explanation: String
    var isNumber = true
  }

  let caption: String
  let columns: [Column]
  /// The rows; the first cell of each names it.
  let rows: [(name: String, cells: [Cell])]
  /// Whether the row names are names of blocks.
  var namesBlocks = true

  /// The table in a box in which it scrolls; columns without any content are left out.
  var markup: Markup {
    let shown = columns.indices.dropFirst().filter { column in
      rows.contains { !DataTable.isEmpty($0.cells[column - 1]) }
    }
    return PageFigure.box(
      Markup("table") {
        Markup("caption") { caption }
        Markup("thead") {
          Markup("tr") {
            heading(columns[0])
            for column in shown { heading(columns[column]) }
          }
        }
        Markup("tbody") {
          for row in rows {
            Markup("tr") {
              Markup("th", ["scope": "row", "data-row": namesBlocks ? row.name : nil]) {
                Markup(breakable: row.name)
              }
              for column in shown { DataTable.markup(row.cells[column - 1]) }
            }
          }
        }
      })
  }

  private func heading(_ column: Column) -> Markup {
    Markup(
      "th",
      [
        "scope": "col", "class": column.isNumber ? "n" : nil,
        "title": column.explanation.isEmpty ? nil : column.explanation,
      ]
    ) { column.title }
  }

  private static func isEmpty(_ cell: Cell) -> Bool {
    switch cell {
    case .text(let text): text.isEmpty
    case .figure(let figure): figure == nil
    case .figures(let figures): figures.isEmpty
    case .integer, .markup: false
    }
  }

  private static func markup(_ cell: Cell) -> Markup {
    switch cell {
    case .text(let text):
      // Short names stay whole.
      text.columns > 22
        ? Markup("td", ["class": "long"]) { Markup(breakable: text) } : Markup("td") { text }
    case .integer(let number): Markup("td", ["class": "n"]) { NumberText.count(number) }
    case .figure(let figure): figure?.cell ?? Markup("td")
    case .markup(let content): Markup("td") { content }
    case .figures(let figures):
      Markup("td", ["class": "n"]) {
        for (position, figure) in figures.enumerated() {
          if position > 0 { " " }
          figure.span
        }
      }
    }
  }
}
