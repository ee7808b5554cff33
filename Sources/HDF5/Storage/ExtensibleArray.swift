/// Chunks in an extensible array: datasets with one dimension that has no limit, with newer
/// libraries.
///
/// The first elements lie in an index block; then come data blocks that grow, those of super
/// block k being 2^⌊k/2⌋ blocks of 2^⌈k/2⌉ times the smallest size. The first few are found
/// from the index block, the others through super blocks; large ones are cut into pages.
struct ExtensibleArray {
  private static let what = "the index of chunks"

  private let image: FileImage
  private let elements: ArrayElements
  private let header: UInt64
  /// Bytes of a block's position among the elements.
  private let positionSize: Int
  private let indexElements: Int
  private let smallestBlock: UInt64
  private let smallestPointers: Int
  private let superBlocks: Int
  private let pageSize: UInt64
  /// Elements that were ever set, from the first on.
  private let used: UInt64

  /// Takes all chunks of an array.
  static func read(_ address: UInt64, into collector: inout ChunkCollector) throws {
    let image = collector.image
    var cursor = try image.cursor(
      at: address, count: 16 + 6 * image.lengthSize + image.offsetSize, what: what)
    try cursor.expect(signature: "EAHD")
    try cursor.expect("version", 1, 0)
    let array = try ExtensibleArray(collector, header: address, cursor: &cursor)
    let block = try cursor.number(image.offsetSize)
    try cursor.expectChecksum()
    if !image.isUndefined(block) { try array.read(indexBlock: block, into: &collector) }
  }

  private init(
    _ collector: ChunkCollector, header: UInt64, cursor: inout ByteCursor
  ) throws(LibraryFailure) {
    image = collector.image
    self.header = header
    let client = try cursor.number(1)
    let elementSize = try cursor.integer(1)
    let bits = try cursor.integer(1)
    indexElements = try cursor.integer(1)
    let smallest = try cursor.integer(1)
    smallestPointers = try cursor.integer(1)
    let pageBits = try cursor.integer(1)
    try cursor.skip(4 * image.lengthSize)
    used = try cursor.number(image.lengthSize)
    try cursor.skip(image.lengthSize)
    let unlimited = collector.grid.maximumCounts.firstIndex(of: .max)
    elements = try ArrayElements(
      collector, movingToFront: unlimited, elementSize: elementSize, cursor: cursor)
    guard client == elements.client else { throw cursor.damaged("is of the wrong kind") }
    func isPower(_ number: Int) -> Bool { number > 0 && number & (number - 1) == 0 }
    guard unlimited != nil, (1...64).contains(bits), isPower(smallest), isPower(smallestPointers),
      pageBits < 32, smallest.trailingZeroBitCount < bits
    else { throw cursor.damaged("has a header that can't be") }
    positionSize = (bits + 7) / 8
    smallestBlock = UInt64(smallest)
    pageSize = 1 << UInt64(pageBits)
    superBlocks = 1 + bits - smallest.trailingZeroBitCount
    guard superBlocks >= directSuperBlocks else {
      throw cursor.damaged("has a header that can't be")
    }
  }

  /// Super blocks whose data blocks are found from the index block.
  private var directSuperBlocks: Int { 2 * smallestPointers.trailingZeroBitCount }

  /// What super block `number` consists of; nil beyond what was ever set.
  private func superBlock(_ number: Int) -> (first: UInt64, blocks: Int, blockSize: UInt64)? {
    // Used elements bound everything below: 2^number smallest blocks come before this one.
    guard number < 40 else { return nil }
    let (before, overflow) = ((UInt64(1) << UInt64(number)) - 1)
      .multipliedReportingOverflow(by: smallestBlock)
    guard !overflow, before <= .max / 4 else { return nil }
    let first = before + UInt64(indexElements)
    guard first < used else { return nil }
    return (first, 1 << (number / 2), (1 << UInt64((number + 1) / 2)) * smallestBlock)
  }

  private func read(indexBlock address: UInt64, into collector: inout ChunkCollector) throws {
    let pointers = 2 * (smallestPointers - 1)
    let superPointers = superBlocks - directSuperBlocks
    let size =
      6 + image.offsetSize + indexElements * elements.elementSize
      + (pointers + superPointers) * image.offsetSize + 4
    var cursor = try image.cursor(at: address, count: size, what: ExtensibleArray.what)
    try expectStart(&cursor, signature: "EAIB")
    try elements.take(0, count: indexElements, from: &cursor, into: &collector)
    var blocks: [UInt64] = []
    for _ in 0..<(pointers + superPointers) { blocks.append(try cursor.number(image.offsetSize)) }
    try cursor.expectChecksum()
    var next = 0
    for number in 0..<directSuperBlocks {
      guard let block = superBlock(number) else { return }
      for position in 0..<block.blocks {
        guard next < pointers else { return }
        try read(
          dataBlock: blocks[next], first: block.first + UInt64(position) * block.blockSize,
          count: block.blockSize, written: nil, into: &collector)
        next += 1
      }
    }
    for number in directSuperBlocks..<superBlocks {
      guard let block = superBlock(number) else { return }
      try read(
        superBlock: blocks[pointers + number - directSuperBlocks], block, into: &collector)
    }
  }

  private func expectStart(_ cursor: inout ByteCursor, signature: String) throws(LibraryFailure) {
    try cursor.expect(signature: signature)
    try cursor.expect("version", 1, 0)
    try cursor.expect("kind", 1, elements.client)
    try cursor.expect("header", image.offsetSize, header)
  }

  private func read(
    superBlock address: UInt64, _ block: (first: UInt64, blocks: Int, blockSize: UInt64),
    into collector: inout ChunkCollector
  ) throws {
    guard !image.isUndefined(address) else { return }
    let pages = block.blockSize > pageSize ? Int(block.blockSize / pageSize) : 0
    let bitmapSize = pages > 0 ? block.blocks * ((pages + 7) / 8) : 0
    let prefix = 6 + image.offsetSize + positionSize
    var cursor = try image.cursor(
      at: address, count: prefix + bitmapSize + block.blocks * image.offsetSize + 4,
      what: ExtensibleArray.what)
    try expectStart(&cursor, signature: "EASB")
    try cursor.skip(positionSize)
    let bitmap = cursor.bytes[cursor.position..<(cursor.position + bitmapSize)]
    try cursor.skip(bitmapSize)
    var addresses: [UInt64] = []
    for _ in 0..<block.blocks { addresses.append(try cursor.number(image.offsetSize)) }
    try cursor.expectChecksum()
    for (number, address) in addresses.enumerated() {
      // The bits of a data block's pages follow those of the one before without a gap.
      let written: [Bool]? =
        pages == 0
        ? nil
        : (0..<pages).map { page in
          let bit = number * pages + page
          return bitmap[bitmap.startIndex + bit / 8] & (0x80 >> UInt8(bit % 8)) != 0
        }
      try read(
        dataBlock: address, first: block.first + UInt64(number) * block.blockSize,
        count: block.blockSize, written: written, into: &collector)
    }
  }

  /// Reads a data block; `written` tells which of its pages are there, where it has pages.
  private func read(
    dataBlock address: UInt64, first: UInt64, count: UInt64, written: [Bool]?,
    into collector: inout ChunkCollector
  ) throws {
    guard !image.isUndefined(address), first < used else { return }
    let prefix = 6 + image.offsetSize + positionSize
    let room = UInt64(image.size) / UInt64(elements.elementSize)
    guard count <= room else {
      throw LibraryFailure(.damaged("\(ExtensibleArray.what) reaches beyond the file"))
    }
    let body = written == nil ? Int(count) * elements.elementSize : 0
    var cursor = try image.cursor(
      at: address, count: prefix + body + 4, what: ExtensibleArray.what)
    try expectStart(&cursor, signature: "EADB")
    try cursor.skip(positionSize)
    if written == nil {
      try elements.take(first, count: Int(count), from: &cursor, into: &collector)
    }
    try cursor.expectChecksum()
    var position = address + UInt64(cursor.position)
    for (page, isWritten) in (written ?? []).enumerated() {
      if isWritten {
        try elements.takePage(
          at: position, first + UInt64(page) * pageSize, count: Int(pageSize),
          what: ExtensibleArray.what, into: &collector)
      }
      position += pageSize * UInt64(elements.elementSize) + 4
    }
  }
}
