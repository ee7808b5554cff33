internal import Tensors

/// Distances between floats in units in the last place: how many steps from one representable value
/// to the next lead from one to the other.
enum Ulps {
  /// The largest distance between matching elements of one arithmetic dtype.
  static func largest(_ x: [UInt8], _ y: [UInt8], _ dtype: DType) -> UInt64 {
    switch dtype.elementByteCount {
    case 2: largest(x, y) { (bits: UInt16) in ordinal(Int64(Int16(bitPattern: bits)), 15) }
    case 4: largest(x, y) { (bits: UInt32) in ordinal(Int64(Int32(bitPattern: bits)), 31) }
    default: largest(x, y) { (bits: UInt64) in ordinal(Int64(bitPattern: bits), 63) }
    }
  }

  /// A float's position among all of its format, in order of value; both zeros are 0.
  private static func ordinal(_ bits: Int64, _ width: Int) -> Int64 {
    bits >= 0 ? bits : (Int64.min >> (63 - width)) &- bits
  }

  private static func largest<Bits: BitwiseCopyable>(
    _ x: [UInt8], _ y: [UInt8], _ ordinal: (Bits) -> Int64
  ) -> UInt64 {
    let size = MemoryLayout<Bits>.size
    return unsafe x.withUnsafeBytes { x in
      unsafe y.withUnsafeBytes { y in
        var largest: UInt64 = 0
        for offset in stride(from: 0, to: x.count, by: size) {
          let p = unsafe ordinal(x.loadUnaligned(fromByteOffset: offset, as: Bits.self))
          let q = unsafe ordinal(y.loadUnaligned(fromByteOffset: offset, as: Bits.self))
          largest = max(largest, UInt64(bitPattern: max(p, q) &- min(p, q)))
        }
        return largest
      }
    }
  }
}
