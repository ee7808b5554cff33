internal import ByteIO
internal import LinearAlgebra
internal import Merging
internal import Tensors

/// The sums over one fold as a task leaves them: the lower half of `Σ x xᵀ` row by row, `Σ t xᵀ`, and
/// the others in the order of `TokenSums.numbers`, all float64 (Replay §9.3).
enum GramFile {
  private static let names: (gram: TensorName, products: TensorName, sums: TensorName) = (
    "gram", "products", "sums"
  )

  /// What such a file has.
  ///
  /// - Throws: `TensorInfoError`.
  static func tensors(_ group: CalibratedFits.Group, _ sums: TokenSums) throws -> [TensorInfo] {
    try [
      (names.gram, [group.features * (group.features + 1) / 2]),
      (names.products, [group.rowCount, group.features]),
      (names.sums, [sums.count]),
    ].map { try TensorInfo(name: $0, dtype: .f64, shape: $1) }
  }

  /// What goes into such a file; the triangle is gathered in pieces of about a mebibyte.
  ///
  /// - Throws: `TensorInfoError`.
  static func parts(
    _ gram: SymmetricPair, _ part: FoldPart, _ group: CalibratedFits.Group
  ) throws -> [WorkFile.Part] {
    let sums = part.sums?.numbers ?? []
    let triangle = try TensorInfo(
      name: names.gram, dtype: .f64, shape: [group.features * (group.features + 1) / 2])
    return [
      unsafe WorkFile.Part(triangle) { target in
        var piece: [Double] = []
        for row in 0..<gram.size {
          unsafe piece += gram.upperColumn(row)
          if piece.count >= 1 << 17 || row == gram.size - 1 {
            try unsafe piece.withUnsafeBytes { try unsafe target($0) }
            piece.removeAll(keepingCapacity: true)
          }
        }
      },
      try WorkFile.Part(
        names.products, [group.rowCount, group.features], part.products.values),
      try WorkFile.Part(names.sums, [sums.count], sums),
    ]
  }

  /// Reads such a file, `Σ x xᵀ` into the upper matrix of a pair.
  ///
  /// - Returns: nil where the file is damaged; what is in the pair is of no use then.
  /// - Throws: errors of reading.
  static func read(
    _ file: WorkFile, _ group: CalibratedFits.Group, into gram: SymmetricPair, like none: TokenSums
  ) throws -> FoldPart? {
    guard try file.tensors == tensors(group, none) else { return nil }
    var (products, sums) = ([UInt8](), [UInt8]())
    // Where the next number of the triangle belongs.
    var (row, column) = (0, 0)
    let isWhole = try unsafe file.read { piece, tensor, _ in
      switch tensor {
      case 0:
        let numbers = unsafe piece.assumingMemoryBound(to: Double.self)
        var next = 0
        while next < numbers.count {
          let count = min(row + 1 - column, numbers.count - next)
          _ = unsafe gram.upperColumn(row)[column..<(column + count)].update(
            fromContentsOf: numbers[next..<(next + count)])
          next += count
          column += count
          if column > row { (row, column) = (row + 1, 0) }
        }
      case 1: unsafe products += piece
      default: unsafe sums += piece
      }
    }
    guard isWhole else { return nil }
    return FoldPart(
      products: Matrix(
        rows: group.rowCount, columns: group.features, values: products.doubles),
      sums: none.with(sums.doubles))
  }
}

/// Sums that tasks left in files, read one fold at a time.
struct StoredFolds: FoldSource {
  let job: MergeJob
  let fits: CalibratedFits
  let group: Int
  /// The numbers of the tasks that left them, by fold.
  let tasks: [Int]

  func read(_ fold: Int, into gram: SymmetricPair, withSums: Bool) throws -> FoldPart {
    try job.result(of: tasks[fold]) {
      try GramFile.read($0, fits.groups[group], into: gram, like: fits.noSums(of: group))
    }
  }
}
