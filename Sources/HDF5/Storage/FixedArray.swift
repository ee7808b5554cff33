/// Chunks in a fixed array: datasets whose largest shape is known, with newer libraries.
struct FixedArray {
  let image: FileImage
  private static let what = "the index of chunks"

  /// Takes all chunks of an array.
  func read(_ address: UInt64, into collector: inout ChunkCollector) throws {
    let what = FixedArray.what
    var cursor = try image.cursor(
      at: address, count: 12 + image.lengthSize + image.offsetSize, what: what)
    try cursor.expect(signature: "FAHD")
    try cursor.expect("version", 1, 0)
    let client = try cursor.number(1)
    let elements = try ArrayElements(
      collector, movingToFront: nil, elementSize: try cursor.integer(1), cursor: cursor)
    guard client == elements.client else { throw cursor.damaged("is of the wrong kind") }
    let pageBits = try cursor.integer(1)
    let count = try cursor.number(image.lengthSize)
    let block = try cursor.number(image.offsetSize)
    try cursor.expectChecksum()
    guard !image.isUndefined(block) else { return }
    // Every element takes room in the file, even on pages that were never written.
    guard pageBits < 32, count <= UInt64(image.size) / UInt64(elements.elementSize) else {
      throw cursor.damaged("has too many elements (found \(count))")
    }
    try read(
      block: block, header: address, count: Int(count), pageSize: 1 << pageBits,
      elements: elements, into: &collector)
  }

  private func read(
    block: UInt64, header: UInt64, count: Int, pageSize: Int, elements: ArrayElements,
    into collector: inout ChunkCollector
  ) throws {
    let what = FixedArray.what
    let pages = count > pageSize ? (count + pageSize - 1) / pageSize : 0
    let prefixSize = 6 + image.offsetSize
    let bodySize = pages > 0 ? (pages + 7) / 8 : count * elements.elementSize
    var cursor = try image.cursor(at: block, count: prefixSize + bodySize + 4, what: what)
    try cursor.expect(signature: "FADB")
    try cursor.expect("version", 1, 0)
    try cursor.expect("kind", 1, elements.client)
    try cursor.expect("header", image.offsetSize, header)
    guard pages > 0 else {
      try elements.take(0, count: count, from: &cursor, into: &collector)
      return try cursor.expectChecksum()
    }
    let written = cursor.bytes[cursor.position..<(cursor.position + bodySize)]
    try cursor.skip(bodySize)
    try cursor.expectChecksum()
    var position = block + UInt64(cursor.position)
    for page in 0..<pages {
      let first = page * pageSize
      if written[written.startIndex + page / 8] & (0x80 >> UInt8(page % 8)) != 0 {
        try elements.takePage(
          at: position, UInt64(first), count: min(pageSize, count - first), what: what,
          into: &collector)
      }
      position += UInt64(pageSize * elements.elementSize + 4)
    }
  }
}
