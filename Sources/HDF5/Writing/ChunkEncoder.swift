internal import ByteIO
internal import Codecs
internal import Tensors

/// Shuffles and compresses chunks; one for each thread.
final class ChunkEncoder {
  /// A chunk ready to be stored.
  struct Piece: Sendable {
    let number: Int
    let stored: [UInt8]
    /// The CRC-32 of its elements, without what fills the last chunk up.
    let checksum: UInt32
  }

  private let compressor = Deflate.Compressor(level: DatasetPlan.deflateLevel)
  private let plan: DatasetPlan
  private let raw: AlignedBuffer
  private let shuffled: AlignedBuffer

  init(_ plan: DatasetPlan) {
    self.plan = plan
    raw = AlignedBuffer(byteCount: plan.pieceSize)
    shuffled = AlignedBuffer(byteCount: plan.pieceSize)
  }

  /// Encodes a piece whose elements `fill` writes.
  func encode(
    _ number: Int, _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows -> Piece {
    let size = plan.size(of: number)
    let whole = unsafe raw.prefix(plan.pieceSize)
    try unsafe fill(raw.prefix(size))
    let checksum = unsafe CRC32.of(UnsafeRawBufferPointer(raw.prefix(size)))
    // Chunks over the edge are stored whole.
    unsafe UnsafeMutableRawBufferPointer(rebasing: whole[size...])
      .initializeMemory(as: UInt8.self, repeating: 0)
    let target = unsafe shuffled.prefix(plan.pieceSize)
    unsafe ByteShuffle.shuffle(
      UnsafeRawBufferPointer(whole), width: plan.info.dtype.elementByteCount, into: target)
    let bound = compressor.bound(plan.pieceSize)
    let stored = unsafe [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
      // It always fits into its bound.
      count =
        unsafe compressor.compress(
          UnsafeRawBufferPointer(target), into: UnsafeMutableRawBufferPointer(buffer)) ?? 0
    }
    return Piece(number: number, stored: stored, checksum: checksum)
  }
}
