/// Reads the elements of fixed and extensible arrays, which say where chunks are.
struct ArrayElements {
  let numbering: ChunkNumbering
  let elementSize: Int
  private let image: FileImage
  private let isFiltered: Bool

  /// Checks the size of elements that the header states.
  init(
    _ collector: ChunkCollector, movingToFront dimension: Int?, elementSize: Int,
    cursor: ByteCursor
  ) throws(LibraryFailure) {
    image = collector.image
    isFiltered = collector.isFiltered
    self.elementSize = elementSize
    numbering = ChunkNumbering(collector.grid, movingToFront: dimension)
    let plain = image.offsetSize
    guard isFiltered ? (plain + 5...plain + 12).contains(elementSize) : elementSize == plain
    else { throw cursor.damaged("has elements of \(elementSize) bytes") }
  }

  /// The number that marks structures of filtered chunks.
  var client: UInt64 { isFiltered ? 1 : 0 }

  /// Takes the chunks of `count` elements from number `first` on.
  func take(
    _ first: UInt64, count: Int, from cursor: inout ByteCursor,
    into collector: inout ChunkCollector
  ) throws(LibraryFailure) {
    for number in 0..<count {
      let address = try cursor.number(image.offsetSize)
      var size: UInt64?
      var mask: UInt32 = 0
      if isFiltered {
        size = try cursor.number(elementSize - image.offsetSize - 4)
        mask = UInt32(try cursor.number(4))
      }
      guard !image.isUndefined(address) else { continue }
      try collector.take(
        at: numbering.place(of: first + UInt64(number)), address: address, size: size, mask: mask)
    }
  }

  /// Takes a page: elements and their checksum.
  func takePage(
    at address: UInt64, _ first: UInt64, count: Int, what: String,
    into collector: inout ChunkCollector
  ) throws {
    var cursor = try image.cursor(at: address, count: count * elementSize + 4, what: what)
    try take(first, count: count, from: &cursor, into: &collector)
    try cursor.expectChecksum()
  }
}
