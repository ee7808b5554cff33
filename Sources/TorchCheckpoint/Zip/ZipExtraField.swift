internal import ByteIO

/// The 64-bit values in an entry's extra fields, taken in the order they are needed.
struct ZipExtraField {
  private let entry: String
  private let bytes: [UInt8]
  private var position = 0
  private var end = 0

  private static let identifier64: UInt16 = 1

  /// Walks the extra fields and finds the 64-bit one.
  ///
  /// - Throws: `ZipProblem.extraFieldDamaged` for fields that do not fit, or two 64-bit ones.
  init(_ bytes: [UInt8], entry: String) throws(ZipProblem) {
    self.bytes = bytes
    self.entry = entry
    var start = 0
    while start < bytes.count {
      guard bytes.count - start >= 4 else { throw .extraFieldDamaged(entry: entry) }
      let length = Int(bytes.littleEndian(at: start + 2, as: UInt16.self))
      guard length <= bytes.count - start - 4 else { throw .extraFieldDamaged(entry: entry) }
      if bytes.littleEndian(at: start, as: UInt16.self) == ZipExtraField.identifier64 {
        guard end == 0 else { throw .extraFieldDamaged(entry: entry) }
        position = start + 4
        end = position + length
      }
      start += 4 + length
    }
  }

  /// The next value of the 64-bit field.
  ///
  /// - Throws: `ZipProblem.extraFieldDamaged` where there is none.
  mutating func next<Value: FixedWidthInteger>(_ type: Value.Type) throws(ZipProblem) -> Value {
    let size = MemoryLayout<Value>.size
    guard end - position >= size else { throw .extraFieldDamaged(entry: entry) }
    defer { position += size }
    return bytes.littleEndian(at: position, as: type)
  }
}
