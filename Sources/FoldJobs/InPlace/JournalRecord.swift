internal import ByteIO

/// The saved spans of one group (In place §4): which they are, and hashes of their bytes.
struct JournalRecord: Sendable, Equatable {
  static let maximumSpans = 1_000_000
  /// The most bytes that one group may save.
  static let maximumBytes = 64 << 20

  let group: Int
  let spans: [InPlaceSpan]
  let digests: [SHA256Digest]

  /// The size of the table before the saved bytes.
  static func tableSize(spans: Int) -> Int { 16 + 56 * spans + 32 }

  /// Where the saved bytes of every span begin, counted from the record's beginning.
  var positions: [Int] {
    var position = JournalRecord.tableSize(spans: spans.count)
    return spans.map { span in
      position += span.count
      return position - span.count
    }
  }

  /// The bytes of the table; its checksum also covers the fold's fingerprint.
  func table(_ fingerprint: SHA256Digest) -> [UInt8] {
    var bytes = littleEndianBytes(UInt64(group)) + littleEndianBytes(UInt32(spans.count))
    bytes += [0, 0, 0, 0]
    for (span, digest) in zip(spans, digests) {
      bytes += littleEndianBytes(UInt32(span.file)) + [0, 0, 0, 0]
      bytes += littleEndianBytes(UInt64(span.offset)) + littleEndianBytes(UInt64(span.count))
      bytes += digest.bytes
    }
    return bytes + JournalRecord.checksum(bytes, fingerprint)
  }

  private static func checksum(_ bytes: [UInt8], _ fingerprint: SHA256Digest) -> [UInt8] {
    var hasher = SHA256Hasher()
    unsafe fingerprint.bytes.withUnsafeBytes { unsafe hasher.update($0) }
    unsafe bytes.withUnsafeBytes { unsafe hasher.update($0) }
    return hasher.finish().bytes
  }
}

extension JournalRecord {
  /// Reads the table of a record that begins at `start`; nil where none was wholly written.
  ///
  /// - Parameter sizes: those of the files, in which spans must lie.
  static func read(
    _ file: UpdatableFile, at start: Int, _ fingerprint: SHA256Digest, sizes: [Int]
  ) throws -> JournalRecord? {
    let size = try file.currentSize()
    guard tableSize(spans: 0) <= size - start else { return nil }
    let head = try file.bytes(at: start, count: 16)
    let count = Int(head.littleEndian(at: 8, as: UInt32.self))
    guard count <= maximumSpans, tableSize(spans: count) <= size - start,
      let group = Int(exactly: head.littleEndian(at: 0, as: UInt64.self))
    else { return nil }
    let table = try file.bytes(at: start, count: tableSize(spans: count))
    guard checksum(Array(table.dropLast(32)), fingerprint) == Array(table.suffix(32)) else {
      return nil
    }
    var spans: [InPlaceSpan] = []
    var digests: [SHA256Digest] = []
    var left = size - start - table.count
    for position in stride(from: 16, to: table.count - 32, by: 56) {
      let number = Int(table.littleEndian(at: position, as: UInt32.self))
      guard let offset = Int(exactly: table.littleEndian(at: position + 8, as: UInt64.self)),
        let length = Int(exactly: table.littleEndian(at: position + 16, as: UInt64.self)),
        number < sizes.count, length <= sizes[number], offset <= sizes[number] - length,
        length <= left,
        let digest = SHA256Digest(bytes: Array(table[(position + 24)..<(position + 56)]))
      else { return nil }
      left -= length
      spans.append(InPlaceSpan(file: number, offset: offset, count: length))
      digests.append(digest)
    }
    return JournalRecord(group: group, spans: spans, digests: digests)
  }
}
