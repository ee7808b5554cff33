internal import CLAPACK
internal import ByteIO

/// Two symmetric float64 matrices of one size in the memory of one and a row more: each is kept as
/// one triangle, diagonal included, and the triangles do not touch.
///
/// Column-major, a column of the store has `size + 1` elements: the upper triangle ends where the
/// lower one begins. Memory: 8 · size · (size + 1) bytes. Work is cut into tiles of `edge` rows and
/// columns, whatever the number of threads, so results do not depend on it.
package final class SymmetricPair: @unchecked Sendable {
  /// One of the two matrices.
  package enum Half: Sendable {
    case lower, upper

    var name: String { self == .lower ? "L" : "U" }
  }

  /// Rows and columns of both.
  package let size: Int

  /// The rows and columns of a tile.
  static let edge = 512

  let blas: BLAS
  private let store: UnsafeMutablePointer<Double>

  /// Two matrices of zeros.
  ///
  /// - Throws: `LinearAlgebraError.noLibrary`.
  package init(size: Int) throws(LinearAlgebraError) {
    blas = try BLAS.load()
    self.size = size
    store = .allocate(capacity: size * (size + 1))
    store.initialize(repeating: 0, count: size * (size + 1))
  }

  deinit { store.deallocate() }

  /// Elements from one column to the next.
  var stride: Int { size + 1 }

  /// The element in a row and a column of one matrix, which must lie in its triangle.
  func element(_ half: Half, _ row: Int, _ column: Int) -> UnsafeMutablePointer<Double> {
    store + (half == .lower ? 1 : 0) + column * stride + row
  }

  /// Where the tiles begin.
  var tileStarts: [Int] { Array(Swift.stride(from: 0, to: size, by: SymmetricPair.edge)) }

  /// How many rows and columns the tile that begins there has.
  func extent(_ start: Int) -> Int { min(SymmetricPair.edge, size - start) }

  /// The sum of the diagonal.
  package func trace(_ half: Half) -> Double {
    (0..<size).reduce(0) { $0 + element(half, $1, $1).pointee }
  }

  /// Sets one of the matrices to zero.
  package func clear(_ half: Half) {
    for column in 0..<size {
      let rows = half == .lower ? column..<size : 0..<(column + 1)
      element(half, rows.lowerBound, column).update(repeating: 0, count: rows.count)
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
    let starts = tileStarts
    var tiles: [(Int, Int)] = []
    for column in starts {
      for row in starts where half == .lower ? row >= column : row <= column {
        tiles.append((row, column))
      }
    }
    let x = SendablePointer(rows.start)
    let rowStride = rows.stride
    _ = try Parallel.map(tiles.count, threads: threads) { [tiles] index in
      let (row, column) = tiles[index]
      let left = MatrixView(x.pointer + row, stride: rowStride)
      let right = MatrixView(x.pointer + column, stride: rowStride)
      if row == column {
        blas.addSquare(
          half.name, left, size: extent(row), count: count, into: element(half, row, row), stride)
      } else {
        blas.gemm(
          "N", "T", extent(row), extent(column), count, 1, left, right, 1,
          element(half, row, column), stride)
      }
    }
  }

  /// `Y Gᵀ` for rows Y: each row of the result is G times that row.
  ///
  /// - Parameter rows: `count` rows of `size` elements each, without gaps.
  package func times(
    _ half: Half, rows: UnsafePointer<Double>, count: Int,
    into result: UnsafeMutablePointer<Double>
  ) {
    guard count > 0 else { return }
    var (m, n) = (rl_lapack_int(size), rl_lapack_int(count))
    var (lda, ldb) = (rl_lapack_int(stride), rl_lapack_int(size))
    var (alpha, beta) = (1.0, 0.0)
    blas.routines.dsymm(
      "L", half.name, &m, &n, &alpha, element(half, 0, 0), &lda, rows, &ldb, &beta, result, &ldb)
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
              var value = other.element(.lower, row, column).pointee
              if subtracting { value -= other.element(.upper, column, row).pointee }
              element(.lower, row, column).pointee = value
            }
          }
        }
      }
      for column in columns { element(.lower, column, column).pointee += shift }
    }
  }
}

/// A pointer for tasks that read what it points to at the same time.
struct SendablePointer<Element>: @unchecked Sendable {
  let pointer: UnsafePointer<Element>

  init(_ pointer: UnsafePointer<Element>) { self.pointer = pointer }
}

extension BLAS {
  /// Adds `Σ x xᵀ` of rows x to one triangle.
  func addSquare(
    _ triangle: String, _ rows: MatrixView<Double>, size: Int, count: Int,
    into c: UnsafeMutablePointer<Double>, _ stride: Int
  ) {
    var (n, k) = (rl_lapack_int(size), rl_lapack_int(count))
    var (lda, ldc) = (rl_lapack_int(rows.stride), rl_lapack_int(stride))
    var (alpha, beta) = (1.0, 1.0)
    routines.dsyrk(triangle, "N", &n, &k, &alpha, rows.start, &lda, &beta, c, &ldc)
  }
}
