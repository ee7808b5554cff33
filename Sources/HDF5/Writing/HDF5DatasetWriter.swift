internal import ByteIO
internal import CHDF5
public import Tensors

/// A dataset whose elements are being written, from the first to the last.
public final class HDF5DatasetWriter {
  private let session: WriterSession
  private let id: hid_t
  private let object: HDF5Object
  private let plan: DatasetPlan
  private let written: WrittenDataset
  /// Where the bytes of a contiguous dataset lie.
  private let offset: Int
  /// Pieces that wait until there is one for each thread, and how full they are.
  private var waiting: AlignedBuffer?
  private var waitingCount = 0
  /// Bytes taken so far.
  private var taken = 0

  init(
    session: WriterSession, id: hid_t, object: HDF5Object, plan: DatasetPlan,
    written: WrittenDataset
  ) throws {
    self.session = session
    self.id = id
    self.object = object
    self.plan = plan
    self.written = written
    guard plan.chunk == nil, plan.info.byteCount > 0 else {
      offset = 0
      return
    }
    offset = try session.place(of: id, object)
  }

  /// The most pieces that are in memory at once.
  private var batch: Int { session.threads }

  /// Takes the next bytes.
  ///
  /// - Throws: `HDF5Error` where there are more than the shape says, or the library fails.
  public func append(_ bytes: UnsafeRawBufferPointer) throws {
    try require(bytes.count)
    let waiting = waiting ?? AlignedBuffer(byteCount: batch * plan.pieceSize)
    self.waiting = waiting
    var rest = unsafe bytes[...]
    let capacity = batch * plan.pieceSize
    while unsafe !rest.isEmpty {
      let count = unsafe min(rest.count, capacity - waitingCount)
      let part = unsafe UnsafeRawBufferPointer(rebasing: rest.prefix(count))
      unsafe UnsafeMutableRawBufferPointer(
        rebasing: waiting.bytes[waitingCount..<(waitingCount + count)]
      )
      .copyMemory(from: part)
      waitingCount += count
      taken += count
      unsafe rest = rest.dropFirst(count)
      if waitingCount == capacity { try flush() }
    }
  }

  /// Takes all of a tensor of the same dtype and shape, in pieces on several threads.
  ///
  /// - Throws: `HDF5Error` where it is not the same, errors of its source.
  public func append(_ reference: TensorReference) throws {
    try require(reference.info.byteCount)
    // A tensor that does not begin at a piece goes through the buffer.
    guard waitingCount == 0, taken == written.checksums.count * plan.pieceSize,
      reference.info.byteCount == plan.info.byteCount - taken
    else {
      let buffer = AlignedBuffer(byteCount: plan.pieceSize)
      defer { withExtendedLifetime(buffer) {} }
      for start in stride(from: 0, to: reference.info.byteCount, by: plan.pieceSize) {
        let part = unsafe buffer.prefix(min(plan.pieceSize, reference.info.byteCount - start))
        try unsafe reference.source.read(tensor: reference.index, at: start, into: part)
        try unsafe append(UnsafeRawBufferPointer(part))
      }
      return
    }
    let (start, pieceSize) = (taken, plan.pieceSize)
    taken = plan.info.byteCount
    try unsafe write(upTo: plan.pieces) { number, target in
      try unsafe reference.source.read(
        tensor: reference.index, at: number * pieceSize - start, into: target)
    }
  }

  private func require(_ count: Int) throws {
    guard count <= plan.info.byteCount - taken else {
      throw HDF5Error(
        path: session.output.path, object: object,
        reason: .writing(
          operation: "write it",
          text: "more bytes than its shape says (expected \(plan.info.byteCount))"))
    }
  }

  /// Checks that nothing is missing and writes what waits.
  func finish() throws {
    guard taken == plan.info.byteCount else {
      throw HDF5Error(
        path: session.output.path, object: object,
        reason: .writing(
          operation: "write it",
          text: "fewer bytes than its shape says (found \(taken), "
            + "expected \(plan.info.byteCount))"))
    }
    try flush()
  }

  private func flush() throws {
    guard let waiting, waitingCount > 0 else { return }
    let first = written.checksums.count
    let pieces = (waitingCount + plan.pieceSize - 1) / plan.pieceSize
    let source = unsafe WaitingBytes(bytes: UnsafeRawBufferPointer(waiting.prefix(waitingCount)))
    let pieceSize = plan.pieceSize
    try unsafe write(upTo: first + pieces) { number, target in
      let start = (number - first) * pieceSize
      unsafe target.copyMemory(
        from: UnsafeRawBufferPointer(
          rebasing: source.bytes[start..<(start + target.count)]))
    }
    withExtendedLifetime(waiting) {}
    waitingCount = 0
  }

  /// Bytes that several tasks read.
  @safe private struct WaitingBytes: @unchecked Sendable { let bytes: UnsafeRawBufferPointer }

  /// Encodes and stores the pieces before `end`, a batch at a time and in order, so that the
  /// file's bytes do not depend on the threads.
  private func write(
    upTo end: Int,
    _ fill: @escaping @Sendable (Int, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    guard plan.chunk != nil else { return try unsafe writeContiguous(upTo: end, fill) }
    let plan = plan
    let checkpoint = session.checkpoint
    let encoders = IdlePool { ChunkEncoder(plan) }
    while written.checksums.count < end {
      try checkpoint()
      let first = written.checksums.count
      let pieces = try Parallel.map(min(batch, end - first), threads: session.threads) { task in
        try encoders.use { encoder in
          try unsafe encoder.encode(first + task) { try unsafe fill(first + task, $0) }
        }
      }
      try session.library(object) { library in
        for piece in pieces { try store(piece, library) }
      }
      written.checksums += pieces.map(\.checksum)
    }
  }

  private func store(_ piece: ChunkEncoder.Piece, _ library: HDF5Library.Table) throws {
    var origin = plan.info.shape.map { _ in hsize_t(0) }
    origin[0] = hsize_t(piece.number * plan.rows)
    try unsafe library.check(
      "write it", writing: true,
      library.H5Dwrite_chunk(id, 0, 0, origin, piece.stored.count, piece.stored))
  }

  private func writeContiguous(
    upTo end: Int, _ fill: (Int, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let buffer = AlignedBuffer(byteCount: plan.pieceSize)
    defer { withExtendedLifetime(buffer) {} }
    for number in written.checksums.count..<end {
      try session.checkpoint()
      let part = unsafe buffer.prefix(plan.size(of: number))
      try unsafe fill(number, part)
      try unsafe session.output.write(
        UnsafeRawBufferPointer(part), at: offset + number * plan.pieceSize)
      unsafe written.checksums.append(CRC32.of(UnsafeRawBufferPointer(part)))
    }
  }
}
