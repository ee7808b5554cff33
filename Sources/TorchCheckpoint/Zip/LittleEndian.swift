extension [UInt8] {
  /// The little-endian integer at a position that the caller has checked to lie inside.
  func integer<Value: FixedWidthInteger>(_ type: Value.Type, at position: Int) -> Value {
    precondition(position >= 0 && position <= count - MemoryLayout<Value>.size)
    return withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Value.self))
    }
  }
}
