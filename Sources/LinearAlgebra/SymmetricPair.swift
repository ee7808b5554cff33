internal import CLAPACK
internal import ByteIO
internal import Tensors

/// Two symmetric float64 matrices of one size in the memory of one and a row more: each is kept as
/// one triangle, diagonal included, and the triangles do not touch.
///
/// Column-major, a column of the store has `size + 1` elements: the upper triangle ends where the
/// lower one begins. Memory: 8 · size · (size + 1) bytes. Work is cut into tiles of `edge` rows and
/// columns, whatever the number of threads, so results do not depend on it.
@safe package final class SymmetricPair: @unchecked Sendable {
  /// One of the two matrices.
  package enum Half: Sendable {
    case lower, upper

    var name: String { self == .lower ? "L" : "U" }
  }

  /// Rows and columns of both.
  package let size: Int

  /// The right-hand sides that one thread takes at a time.
  static let stripRows = 32

  /// The rows and columns of a tile.
  static let edge = 384

  let blas: BLAS
  private let memory: AlignedBuffer
  private let store: UnsafeMutablePointer<Double>

  /// Two matrices of zeros.
  ///
  /// - Throws: `LinearAlgebraError.noLibrary`.
  package init(size: Int) throws(LinearAlgebraError) {
    blas = try BLAS.load()
    self.size = size
    // Some routines treat memory that is aligned in another way to other bits.
    memory = AlignedBuffer(byteCount: 8 * size * (size + 1))
    unsafe store = memory.elements()
    unsafe store.initialize(repeating: 0, count: size * (size + 1))
  }

  /// Elements from one column to the next.
  var stride: Int { size + 1 }

  /// The element in a row and a column of one matrix, which must lie in its triangle.
  func element(_ half: Half, _ row: Int, _ column: Int) -> UnsafeMutablePointer<Double> {
    unsafe store + (half == .lower ? 1 : 0) + column * stride + row
  }

  /// Where the tiles begin.
  var tileStarts: [Int] { Array(Swift.stride(from: 0, to: size, by: SymmetricPair.edge)) }

  /// How many rows and columns the tile that begins there has.
  func extent(_ start: Int) -> Int { min(SymmetricPair.edge, size - start) }

  /// The sum of the diagonal.
  package func trace(_ half: Half) -> Double {
    (0..<size).reduce(0) { unsafe $0 + element(half, $1, $1).pointee }
  }

  /// Sets one of the matrices to zero.
  package func clear(_ half: Half) {
    for column in 0..<size {
      let rows = half == .lower ? column..<size : 0..<(column + 1)
      unsafe element(half, rows.lowerBound, column).update(repeating: 0, count: rows.count)
    }
  }

  /// Adds `Σ x xᵀ` over some rows x.
  ///
  /// - Parameters:
  ///   - rows: `count` rows of `size` elements each.
  ///   - half: the matrix to add to.
  package func addProducts(
    of rows: MatrixView<Double>, count: Int, to half: Half, threads: Int
  ) throws {
    try unsafe add("N", rows, count, to: half, threads) { unsafe rows.start + $0 }
  }

  /// Adds the products `⟨x_i, x_j⟩` of `size` rows with each other to the lower matrix.
  ///
  /// - Parameter rows: `size` rows of `count` elements each.
  package func addInnerProducts(
    of rows: MatrixView<Double>, count: Int, threads: Int
  ) throws {
    try unsafe add("T", rows, count, to: .lower, threads) { unsafe rows.start + $0 * rows.stride }
  }

  /// Adds products tile by tile; `start` tells where the operand of a tile's rows or columns begins.
  private func add(
    _ transpose: String, _ operand: MatrixView<Double>, _ count: Int, to half: Half, _ threads: Int,
    _ start: (Int) -> UnsafePointer<Double>
  ) throws {
    let starts = tileStarts
    let operands = starts.map { unsafe SharedSource(start($0)) }
    var tiles: [(row: Int, column: Int)] = []
    for column in starts.indices {
      tiles += (half == .lower ? column..<starts.count : 0..<(column + 1)).map { ($0, column) }
    }
    let stride = operand.stride
    _ = try Parallel.map(tiles.count, threads: threads) { [tiles] index in
      let (row, column) = (starts[tiles[index].row], starts[tiles[index].column])
      let left = unsafe MatrixView(operands[tiles[index].row].start, stride: stride)
      let right = unsafe MatrixView(operands[tiles[index].column].start, stride: stride)
      let target = unsafe element(half, row, column)
      if row == column {
        unsafe blas.addSquare(
          half.name, transpose, left, extent(row), count, into: target, self.stride)
      } else {
        unsafe blas.gemm(
          transpose, transpose == "N" ? "T" : "N", extent(row), extent(column), count, 1, left,
          right, 1, target, self.stride)
      }
    }
  }

  /// `Y Gᵀ` for rows Y: each row of the result is G times that row.
  ///
  /// - Parameter rows: `count` rows of `size` elements each, without gaps.
  package func times(
    _ half: Half, rows: UnsafePointer<Double>, count: Int,
    into result: UnsafeMutablePointer<Double>, threads: Int
  ) throws {
    let (source, target) = unsafe (SharedSource(rows), SharedTarget(result))
    let strips = (0..<count).pieces(of: SymmetricPair.stripRows)
    _ = try Parallel.map(strips.count, threads: threads) { index in
      var (m, n) = (rl_lapack_int(size), rl_lapack_int(strips[index].count))
      var (lda, ldb) = (rl_lapack_int(stride), rl_lapack_int(size))
      var (alpha, beta) = (1.0, 0.0)
      let offset = strips[index].lowerBound * size
      unsafe blas.routines.dsymm(
        "L", half.name, &m, &n, &alpha, element(half, 0, 0), &lda, source.start + offset, &ldb,
        &beta, target.start + offset, &ldb)
    }
  }

  /// A column of the upper matrix down to the diagonal, `column + 1` elements: what a row of its lower
  /// triangle holds.
  package func upperColumn(_ column: Int) -> UnsafeMutableBufferPointer<Double> {
    unsafe UnsafeMutableBufferPointer(start: element(.upper, 0, column), count: column + 1)
  }

  /// Adds the upper matrix to the lower one.
  package func addUpperToLower(threads: Int) throws {
    let starts = tileStarts
    _ = try Parallel.map(starts.count, threads: threads) { index in
      let columns = starts[index]..<(starts[index] + extent(starts[index]))
      let side = 32
      for left in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: side) {
        let right = min(columns.upperBound, left + side)
        for top in Swift.stride(from: left, to: size, by: side) {
          let bottom = min(size, top + side)
          for column in left..<right {
            for row in max(top, column)..<max(bottom, column) {
              unsafe element(.lower, row, column).pointee +=
                element(.upper, column, row).pointee
            }
          }
        }
      }
    }
  }

  /// Sets the lower matrix to `lower − upper + shift · 1` of another pair, the upper one left out
  /// where `subtracting` is false.
  package func setLower(
    from other: SymmetricPair, subtracting: Bool, shift: Double, threads: Int
  ) throws {
    precondition(other.size == size)
    let starts = tileStarts
    _ = try Parallel.map(starts.count, threads: threads) { index in
      let columns = starts[index]..<(starts[index] + extent(starts[index]))
      let side = 32
      for left in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: side) {
        let right = min(columns.upperBound, left + side)
        for top in Swift.stride(from: left, to: size, by: side) {
          let bottom = min(size, top + side)
          for column in left..<right {
            for row in max(top, column)..<max(bottom, column) {
              var value = unsafe other.element(.lower, row, column).pointee
              if subtracting { unsafe value -= other.element(.upper, column, row).pointee }
              unsafe element(.lower, row, column).pointee = value
            }
          }
        }
      }
      for column in columns { unsafe element(.lower, column, column).pointee += shift }
    }
  }
}

extension SymmetricPair {
  /// Sets the lower matrix to that of another pair without some rows and columns, plus
  /// `shift · 1`.
  package func setLower(from other: SymmetricPair, without left: Range<Int>, shift: Double) {
    precondition(other.size == size + left.count)
    for column in 0..<size {
      let source = column < left.lowerBound ? column : column + left.count
      for row in column..<size {
        unsafe element(.lower, row, column).pointee =
          unsafe other.element(.lower, row < left.lowerBound ? row : row + left.count, source)
          .pointee
      }
      unsafe element(.lower, column, column).pointee += shift
    }
  }

  /// The lower matrix, taken as symmetric, in a row and a column.
  package subscript(row: Int, column: Int) -> Double {
    unsafe element(.lower, max(row, column), min(row, column)).pointee
  }
}

extension BLAS {
  /// Adds a product with itself to one triangle.
  func addSquare(
    _ triangle: String, _ transpose: String, _ operand: MatrixView<Double>, _ size: Int,
    _ count: Int, into c: UnsafeMutablePointer<Double>, _ stride: Int
  ) {
    var (n, k) = (rl_lapack_int(size), rl_lapack_int(count))
    var (lda, ldc) = (rl_lapack_int(operand.stride), rl_lapack_int(stride))
    var (alpha, beta) = (1.0, 1.0)
    unsafe routines.dsyrk(triangle, transpose, &n, &k, &alpha, operand.start, &lda, &beta, c, &ldc)
  }
}
