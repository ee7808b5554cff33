/// Turns elements of another byte order into little-endian ones.
enum ByteOrder {
  /// Swaps the bytes of each element of `width` bytes.
  static func swap(_ bytes: UnsafeMutableRawBufferPointer, width: Int) {
    switch width {
    case 2: unsafe swap(bytes, as: UInt16.self)
    case 4: unsafe swap(bytes, as: UInt32.self)
    case 8: unsafe swap(bytes, as: UInt64.self)
    default: break
    }
  }

  private static func swap<Word: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeMutableRawBufferPointer, as: Word.Type
  ) {
    let width = MemoryLayout<Word>.size
    for position in stride(from: 0, through: bytes.count - width, by: width) {
      let word = unsafe bytes.loadUnaligned(fromByteOffset: position, as: Word.self)
      unsafe bytes.storeBytes(of: word.byteSwapped, toByteOffset: position, as: Word.self)
    }
  }
}
