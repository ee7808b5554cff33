/// Where the cells of a heat map lie: bands of rows under each other where there are more columns than
/// fit beside each other.
struct HeatMapLayout: Sendable {
  static let labelLength = 30
  static let legendWidth = 264.0
  static let legendHeight = 48.0
  private static let columnsOfBand = 64
  private static let headHeight = 22.0

  /// Some columns of the grid, and the cells in them.
  struct Band: Sendable {
    /// The top of the first row of cells.
    let top: Double
    /// The columns' positions among the grid's layers.
    let columns: [Int]
    let rows: [Row]
  }

  /// One family.
  struct Row: Sendable {
    let label: String
    let cells: [(column: Int, block: Int)]
  }

  let bands: [Band]
  /// The left edge of the cells.
  let left: Double
  let cellWidth: Double
  let cellHeight: Double
  let width: Double
  let height: Double
  /// Whether cells are wide enough for their number.
  let showsNumbers: Bool
  private let columnCount: Int
  private let isSequence: Bool

  init(_ grid: BlockGrid) {
    let bandCount = (grid.layers.count - 1) / HeatMapLayout.columnsOfBand + 1
    // Bands of one length; those of a sequence are counted in powers of two.
    let perBand =
      grid.isSequence ? 32 : max(1, (grid.layers.count + bandCount - 1) / bandCount)
    columnCount = min(grid.layers.count, perBand)
    showsNumbers = columnCount <= 12
    cellWidth = showsNumbers ? 54 : columnCount <= 26 ? 28 : columnCount <= 40 ? 20 : 12.5
    cellHeight = showsNumbers ? 30 : 22
    let shown = grid.families.prefix(HeatMap.maximumRows)
    isSequence = grid.isSequence
    let longest =
      isSequence
      ? "\(grid.layers.count)".count
      : shown.map { min($0.label.columns, HeatMapLayout.labelLength) }.max() ?? 0
    left = max(40, 7 * Double(longest) + 14)
    let positions = Dictionary(grid.layers.enumerated().map { ($1, $0) }) { first, _ in first }
    var bands: [Band] = []
    var y = 0.0
    for start in stride(from: 0, to: grid.layers.count, by: perBand) {
      let end = min(start + perBand, grid.layers.count)
      let rows = shown.compactMap { family -> Row? in
        let cells = family.members.compactMap { member -> (column: Int, block: Int)? in
          guard let column = positions[member.layer], (start..<end).contains(column) else {
            return nil
          }
          return (column - start, member.block)
        }
        return cells.isEmpty
          ? nil : Row(label: grid.isSequence ? "\(start)" : family.label, cells: cells)
      }
      guard !rows.isEmpty else { continue }
      // The rows of a sequence say what they begin with.
      let head = grid.isSequence ? 0 : HeatMapLayout.headHeight
      bands.append(
        Band(top: y + head, columns: Array(start..<end), rows: rows))
      y += head + Double(rows.count) * cellHeight + (grid.isSequence ? 0 : 6)
    }
    self.bands = bands
    // The last label of the legend stands half beyond it.
    width = left + max(Double(columnCount) * cellWidth, HeatMapLayout.legendWidth + 18) + 4
    height = y + HeatMapLayout.legendHeight
  }

  func x(of column: Int) -> Double { left + Double(column) * cellWidth }

  func centre(of column: Int) -> Double { x(of: column) + cellWidth / 2 }

  func top(of row: Int, in band: Int) -> Double { bands[band].top + Double(row) * cellHeight }

  /// Whether a column has room for its number above it.
  func isLabelled(_ column: Int) -> Bool {
    !isSequence && column % (cellWidth >= 28 ? 1 : cellWidth >= 20 ? 2 : 4) == 0
  }
}

extension String {
  /// How many columns of a monospaced font the text takes, wide scripts and emoji counting twice.
  var columns: Int {
    unicodeScalars.reduce(0) { $0 + ($1.value >= 0x1100 ? 2 : 1) }
  }
}
