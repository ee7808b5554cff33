/// The bytes of a number, lowest first.
package func littleEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
  unsafe withUnsafeBytes(of: value.littleEndian) { unsafe Array($0) }
}

extension [UInt8] {
  /// The little-endian number at a position that the caller has checked to lie inside.
  package func littleEndian<Value: FixedWidthInteger>(
    at offset: Int, as type: Value.Type
  ) -> Value {
    precondition(offset >= 0 && offset <= count - MemoryLayout<Value>.size)
    return unsafe withUnsafeBytes {
      unsafe Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
  }
}
