/// Chunks in a B-tree of version 1, the usual index.
struct ChunkTree {
  let image: FileImage
  private var visited: Set<UInt64> = []

  init(image: FileImage) { self.image = image }

  /// Takes all chunks of the tree.
  mutating func read(_ root: UInt64, into collector: inout ChunkCollector) throws {
    try read(node: root, level: nil, into: &collector)
  }

  private mutating func read(
    node address: UInt64, level expected: Int?, into collector: inout ChunkCollector
  ) throws {
    let what = "the index of chunks"
    guard visited.insert(address).inserted else {
      throw LibraryFailure(.damaged("\(what) leads in a circle"))
    }
    var cursor = try image.cursor(at: address, count: 8 + 2 * image.offsetSize, what: what)
    try cursor.expect(signature: "TREE")
    try cursor.expect("node type", 1, 1)
    let level = try cursor.integer(1)
    guard expected == nil || level == expected else { throw cursor.damaged("has a wrong level") }
    let entries = try cursor.integer(2)
    let rank = collector.grid.chunk.count
    let keySize = 8 + 8 * (rank + 1)
    // The last key has no child.
    var keys = try image.cursor(
      at: address + UInt64(cursor.bytes.count), count: entries * (keySize + image.offsetSize),
      what: what)
    for _ in 0..<entries {
      let size = try keys.number(4)
      let mask = UInt32(try keys.number(4))
      var place: [UInt64] = []
      for extent in collector.grid.chunk {
        let offset = try keys.number(8)
        guard offset % UInt64(extent) == 0 else { throw keys.damaged("has an odd chunk") }
        place.append(offset / UInt64(extent))
      }
      try keys.skip(8)
      let child = try keys.number(image.offsetSize)
      if level > 0 {
        try read(node: child, level: level - 1, into: &collector)
      } else {
        try collector.take(at: place, address: child, size: size, mask: mask)
      }
    }
  }
}
