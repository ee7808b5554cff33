/// Chunks in a B-tree of version 2: datasets with several dimensions that have no limit.
struct NewChunkTree {
  private static let what = "the index of chunks"

  private let image: FileImage
  private let isFiltered: Bool
  private let rank: Int
  private let nodeSize: Int
  private let recordSize: Int
  /// By depth: the most records of a node, the bytes that count the records below a child.
  private var levels: [(maximum: Int, totalWidth: Int)] = []
  private var visited: Set<UInt64> = []

  /// Takes all chunks of a tree.
  static func read(_ address: UInt64, into collector: inout ChunkCollector) throws {
    let image = collector.image
    var cursor = try image.cursor(
      at: address, count: 22 + image.offsetSize + image.lengthSize, what: what)
    try cursor.expect(signature: "BTHD")
    try cursor.expect("version", 1, 0)
    try cursor.expect("type", 1, collector.isFiltered ? 11 : 10)
    let nodeSize = try cursor.integer(4)
    let recordSize = try cursor.integer(2)
    let depth = try cursor.integer(2)
    try cursor.skip(2)
    let root = try cursor.number(image.offsetSize)
    let records = try cursor.integer(2)
    try cursor.skip(image.lengthSize)
    try cursor.expectChecksum()
    guard !image.isUndefined(root) else { return }
    var tree = try NewChunkTree(
      collector, nodeSize: nodeSize, recordSize: recordSize, depth: depth, cursor: cursor)
    try tree.read(node: root, records: records, depth: depth, into: &collector)
  }

  private init(
    _ collector: ChunkCollector, nodeSize: Int, recordSize: Int, depth: Int, cursor: ByteCursor
  ) throws(LibraryFailure) {
    image = collector.image
    isFiltered = collector.isFiltered
    rank = collector.grid.chunk.count
    self.nodeSize = nodeSize
    self.recordSize = recordSize
    let plain = image.offsetSize + 8 * rank
    guard isFiltered ? (plain + 5...plain + 12).contains(recordSize) : recordSize == plain else {
      throw cursor.damaged("has records of \(recordSize) bytes")
    }
    guard nodeSize <= 1 << 24, nodeSize > 10 + recordSize, depth <= 16 else {
      throw cursor.damaged("has nodes of \(nodeSize) bytes in \(depth) levels")
    }
    let leaf = (nodeSize - 10) / recordSize
    levels = [(leaf, 0)]
    var total = UInt64(leaf)
    for level in 0..<depth {
      let pointer =
        image.offsetSize + NewChunkTree.width(UInt64(leaf)) + levels[level].totalWidth
      let maximum = (nodeSize - 10 - pointer) / (recordSize + pointer)
      guard maximum > 0 else { throw cursor.damaged("has nodes that are too small") }
      let (product, overflow) = total.multipliedReportingOverflow(by: UInt64(maximum + 1))
      let (sum, overflow2) = product.addingReportingOverflow(UInt64(maximum))
      guard !overflow, !overflow2 else { throw cursor.damaged("has too many levels") }
      total = sum
      levels.append((maximum, NewChunkTree.width(total)))
    }
  }

  /// Bytes that hold numbers up to `maximum`.
  private static func width(_ maximum: UInt64) -> Int {
    (63 - max(maximum, 1).leadingZeroBitCount) / 8 + 1
  }

  private mutating func read(
    node address: UInt64, records: Int, depth: Int, into collector: inout ChunkCollector
  ) throws {
    var cursor = try image.cursor(at: address, count: nodeSize, what: NewChunkTree.what)
    guard visited.insert(address).inserted else { throw cursor.damaged("leads in a circle") }
    guard records <= levels[depth].maximum else { throw cursor.damaged("has too many records") }
    try cursor.expect(signature: depth == 0 ? "BTLF" : "BTIN")
    try cursor.expect("version", 1, 0)
    try cursor.expect("type", 1, isFiltered ? 11 : 10)
    for _ in 0..<records { try readRecord(&cursor, into: &collector) }
    guard depth > 0 else { return try cursor.expectChecksum() }
    var children: [(address: UInt64, records: Int)] = []
    let width = NewChunkTree.width(UInt64(levels[0].maximum))
    for _ in 0...records {
      let child = try cursor.number(image.offsetSize)
      children.append((child, Int(clamping: try cursor.number(width))))
      try cursor.skip(levels[depth - 1].totalWidth)
    }
    try cursor.expectChecksum()
    for child in children {
      try read(node: child.address, records: child.records, depth: depth - 1, into: &collector)
    }
  }

  private func readRecord(
    _ cursor: inout ByteCursor, into collector: inout ChunkCollector
  ) throws(LibraryFailure) {
    let address = try cursor.number(image.offsetSize)
    var size: UInt64?
    var mask: UInt32 = 0
    if isFiltered {
      size = try cursor.number(recordSize - image.offsetSize - 4 - 8 * rank)
      mask = UInt32(try cursor.number(4))
    }
    var place: [UInt64] = []
    for _ in 0..<rank { place.append(try cursor.number(8)) }
    try collector.take(at: place, address: address, size: size, mask: mask)
  }
}
