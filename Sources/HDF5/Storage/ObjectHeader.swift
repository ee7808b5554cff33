internal import ByteIO

/// The messages of a dataset's object header, as far as they say where its data lie.
///
/// The library tells everything else about a dataset, but up to 1.12 it lists chunks in quadratic
/// time; so their places are read here.
enum ObjectHeader {
  /// A message and the position of its content in the file.
  private struct Message {
    let type: Int
    let offset: UInt64
    let content: [UInt8]
  }

  private static let layoutType = 0x08
  private static let continuationType = 0x10
  private static let headerLimit = 64 << 20
  private static let blockLimit = 10_000

  /// The content of the layout message and its position in the file.
  static func layoutMessage(at address: UInt64, in image: FileImage) throws -> (
    content: [UInt8], offset: UInt64
  ) {
    let start = try image.cursor(at: address, count: 4, what: "an object header")
    let isNew = start.bytes == Array("OHDR".utf8)
    var walk = Walk(image: image, isNew: isNew)
    let first = isNew ? try walk.newStart(address) : try walk.oldStart(address)
    var blocks = [first]
    var position = 0
    while position < blocks.count {
      let messages = try walk.messages(of: blocks[position], isFirst: position == 0)
      for message in messages {
        switch message.type {
        case layoutType: return (message.content, message.offset)
        case continuationType:
          var cursor = ByteCursor(message.content, what: "an object header")
          let offset = try cursor.number(image.offsetSize)
          let length = try cursor.number(image.lengthSize)
          let block = try image.range(offset, length, what: "an object header")
          guard !blocks.contains(block), blocks.count < blockLimit else {
            throw LibraryFailure(.damaged("an object header leads in a circle"))
          }
          blocks.append(block)
        default: break
        }
      }
      position += 1
    }
    throw LibraryFailure(.damaged("an object header without a layout"))
  }

  /// Reads the blocks of a header of either format.
  private struct Walk {
    let image: FileImage
    let isNew: Bool
    private var hasOrder = false
    private var total = 0
    private var messagesStart = 0

    init(image: FileImage, isNew: Bool) {
      self.image = image
      self.isNew = isNew
    }

    /// The first block of a header of version 1: its messages alone.
    mutating func oldStart(_ address: UInt64) throws -> Range<Int> {
      var cursor = try image.cursor(at: address, count: 16, what: "an object header")
      try cursor.expect("version", 1, 1)
      try cursor.skip(7)
      let size = try cursor.number(4)
      return try image.range(address + 16, size, what: "an object header")
    }

    /// The first block of a header of version 2: everything from the signature to the checksum.
    mutating func newStart(_ address: UInt64) throws -> Range<Int> {
      let available = UInt64(image.size) - address
      var cursor = try image.cursor(
        at: address, count: Int(min(available, 34)), what: "an object header")
      try cursor.skip(4)
      try cursor.expect("version", 1, 2)
      let flags = try cursor.number(1)
      hasOrder = flags & 0x04 != 0
      if flags & 0x20 != 0 { try cursor.skip(16) }
      if flags & 0x10 != 0 { try cursor.skip(4) }
      let size = try cursor.number(1 << Int(flags & 3))
      messagesStart = cursor.position
      let (whole, overflow) = size.addingReportingOverflow(UInt64(cursor.position + 4))
      return try image.range(address, overflow ? .max : whole, what: "an object header")
    }

    mutating func messages(of block: Range<Int>, isFirst: Bool) throws -> [Message] {
      total += block.count
      guard total <= headerLimit else {
        throw LibraryFailure(.tooMany(what: "bytes in an object header", limit: headerLimit))
      }
      var cursor = try image.cursor(
        at: UInt64(block.lowerBound), count: block.count, what: "an object header")
      var end = block.count
      if isNew {
        guard block.count >= 8 else { throw cursor.damaged("ends early") }
        end -= 4
        var check = cursor
        try check.skip(end)
        try check.expectChecksum()
        if isFirst {
          try cursor.skip(messagesStart)
        } else {
          try cursor.expect(signature: "OCHK")
        }
      }
      let prefix = isNew ? (hasOrder ? 6 : 4) : 8
      var messages: [Message] = []
      // What is left and shorter than a message's own fields is a gap.
      while end - cursor.position >= prefix {
        let type = try cursor.integer(isNew ? 1 : 2)
        let size = try cursor.integer(2)
        try cursor.skip(isNew ? (hasOrder ? 3 : 1) : 4)
        let start = cursor.position
        guard size <= end - start else { throw cursor.damaged("has a message beyond its end") }
        try cursor.skip(size)
        if type == layoutType || type == continuationType {
          messages.append(
            Message(
              type: type, offset: UInt64(block.lowerBound + start),
              content: Array(cursor.bytes[start..<(start + size)])))
        }
      }
      return messages
    }
  }
}
