internal import ByteIO
internal import Tensors

/// A journal's file: head, two marks of progress, one record (In place §1).
final class JournalStore: Sendable {
  let file: UpdatableFile
  let head: JournalHead

  /// Where the marks begin, a page each, and where the record does.
  private let marks: Int
  private var record: Int { marks + 2 * JournalHead.pageSize }

  /// Creates a journal in one step: it is there with its head and the mark of no group, or not.
  static func create(_ head: JournalHead, at path: String) throws {
    let mark = markBytes(Progress(done: 0), head.fingerprint)
    let rest = 2 * JournalHead.pageSize - mark.count
    try OutputFile.write(
      head.bytes + mark + [UInt8](repeating: 0, count: rest), to: path, replacing: false)
  }

  /// Opens, locks and checks a journal.
  init(path: String) throws {
    let file = try UpdatableFile(path: path)
    (head, marks) = try JournalHead.read(path: path, size: file.size, file.bytes)
    self.file = file
  }

  // MARK: Progress

  /// How far a fold has come: each group takes two steps, its beginning and its end.
  struct Progress: Sendable, Equatable {
    var steps: Int

    init(steps: Int) { self.steps = steps }
    init(begun group: Int) { steps = 2 * group + 1 }
    init(done groups: Int) { steps = 2 * groups }

    var groupsDone: Int { steps / 2 }
    var isInGroup: Bool { steps % 2 == 1 }
  }

  /// A mark: the number of steps, proved by a hash.
  private static func markBytes(_ progress: Progress, _ fingerprint: SHA256Digest) -> [UInt8] {
    let number = littleEndianBytes(UInt64(progress.steps))
    return number
      + SHA256Hasher.digest(of: fingerprint.bytes + number).bytes
  }

  /// The later of the two marks; the one that was being written in a crash may be torn.
  func progress() throws -> Progress {
    var largest: Progress?
    for page in 0..<2 {
      let offset = marks + page * JournalHead.pageSize
      guard file.size - offset >= 40 else { continue }
      let bytes = try file.bytes(at: offset, count: 40)
      guard let steps = Int(exactly: bytes.littleEndian(at: 0, as: UInt64.self)),
        bytes == JournalStore.markBytes(Progress(steps: steps), head.fingerprint)
      else { continue }
      largest = Progress(steps: max(largest?.steps ?? 0, steps))
    }
    guard let largest, largest.groupsDone <= head.groupCount - (largest.isInGroup ? 1 : 0) else {
      throw InPlaceError.damaged(journal: file.path, what: "both marks of progress")
    }
    return largest
  }

  /// Writes the mark over the older one, and flushes it.
  func mark(_ progress: Progress) throws {
    let bytes = JournalStore.markBytes(progress, head.fingerprint)
    let offset = marks + progress.steps % 2 * JournalHead.pageSize
    try unsafe bytes.withUnsafeBytes { try unsafe file.write($0, at: offset) }
    try file.synchronize()
  }

  // MARK: Records

  /// Copies the spans' bytes into the record, flushes it, and marks the group as begun.
  func save(
    _ spans: [InPlaceSpan], of group: Int, from files: [InPlaceFile], threads: Int
  ) throws -> JournalRecord {
    let unhashed = JournalRecord(group: group, spans: spans, digests: [])
    let positions = unhashed.positions
    let digests = try parallel(spans.count, threads) { buffer, number in
      try unsafe JournalStore.copy(
        spans[number], buffer,
        from: { try unsafe files[spans[number].file].file.read(at: $0, into: $1) }
      ) { done, piece in
        try unsafe self.file.write(piece, at: self.record + positions[number] + done)
      }
    }
    let record = JournalRecord(group: group, spans: spans, digests: digests)
    try unsafe record.table(head.fingerprint).withUnsafeBytes {
      try unsafe file.write($0, at: self.record)
    }
    try file.synchronize()
    try mark(Progress(begun: group))
    return record
  }

  /// The record of a group that may have been overwritten in part; nil where nothing was.
  ///
  /// A record that is whole is used even where the mark says that its group was not begun: putting
  /// originals back does no harm, and the mark may be what was lost.
  ///
  /// - Throws: `InPlaceError.damaged` where originals that are needed do not fit their hashes.
  func unfinished(_ progress: Progress, threads: Int) throws -> JournalRecord? {
    let found = try JournalRecord.read(
      file, at: record, head.fingerprint, sizes: head.files.map(\.size))
    if let found, found.group == progress.groupsDone, try isWhole(found, threads: threads) {
      return found
    }
    guard !progress.isInGroup, found?.group ?? 0 <= progress.groupsDone else {
      throw InPlaceError.damaged(journal: file.path, what: "the saved originals")
    }
    return nil
  }

  /// Whether all saved bytes have their hashes.
  private func isWhole(_ found: JournalRecord, threads: Int) throws -> Bool {
    let positions = found.positions
    let hashes = try parallel(found.spans.count, threads) { buffer, number in
      let span = found.spans[number]
      return try unsafe JournalStore.copy(
        span, buffer,
        from: {
          try unsafe self.file.read(
            at: self.record + positions[number] + $0 - span.offset, into: $1)
        }, to: { _, _ in })
    }
    return hashes == found.digests
  }

  /// Puts saved bytes back and flushes the files; may be done again at any time.
  func restore(_ record: JournalRecord, to files: [InPlaceFile], threads: Int) throws {
    let positions = record.positions
    _ = try parallel(record.spans.count, threads) { buffer, number in
      let span = record.spans[number]
      return try unsafe JournalStore.copy(
        span, buffer,
        from: {
          try unsafe self.file.read(
            at: self.record + positions[number] + $0 - span.offset, into: $1)
        }
      ) { done, piece in
        try unsafe files[span.file].file.write(piece, at: span.offset + done)
      }
    }
    try synchronize(files, record.spans)
  }

  /// Flushes the files that have spans.
  func synchronize(_ files: [InPlaceFile], _ spans: [InPlaceSpan]) throws {
    for number in Set(spans.map(\.file)).sorted() { try files[number].file.synchronize() }
  }

  // MARK: Pieces

  private func parallel(
    _ count: Int, _ threads: Int,
    _ body: @Sendable (AlignedBuffer, Int) throws -> SHA256Digest
  ) throws -> [SHA256Digest] {
    try Parallel.map(
      count, threads: threads, context: { AlignedBuffer(byteCount: 4 << 20) }
    ) { buffer, number in try body(buffer, number) }
  }

  /// Moves a span's bytes piece by piece; their hash.
  private static func copy(
    _ span: InPlaceSpan, _ buffer: AlignedBuffer,
    from read: (_ offset: Int, UnsafeMutableRawBufferPointer) throws -> Void,
    to write: (_ done: Int, UnsafeRawBufferPointer) throws -> Void
  ) throws -> SHA256Digest {
    var hasher = SHA256Hasher()
    for done in unsafe stride(from: 0, to: span.count, by: buffer.bytes.count) {
      let piece = unsafe buffer.prefix(min(buffer.bytes.count, span.count - done))
      try unsafe read(span.offset + done, piece)
      unsafe hasher.update(UnsafeRawBufferPointer(piece))
      try unsafe write(done, UnsafeRawBufferPointer(piece))
    }
    return hasher.finish()
  }
}
