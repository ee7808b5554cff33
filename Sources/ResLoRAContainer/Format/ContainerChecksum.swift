internal import ByteIO

/// A CRC of some bytes that can be joined to the CRC of the bytes after them, so that bytes that
/// count for two checksums are gone through once, and pieces may be checked in any order.
struct ContainerChecksum: Sendable, Equatable {
  private(set) var value: UInt32 = 0
  private(set) var count = 0

  init() {}

  init(of bytes: UnsafeRawBufferPointer) {
    value = unsafe CRC32.of(bytes)
    count = bytes.count
  }

  /// Takes in the next bytes.
  mutating func append(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe append(ContainerChecksum(of: $0)) }
  }

  /// Takes in the next bytes by their checksum.
  mutating func append(_ next: ContainerChecksum) {
    value = CRCPolynomial.shifted(value, byBytes: next.count) ^ next.value
    count += next.count
  }
}

/// Polynomials over GF(2) modulo that of the CRC, reflected: the highest bit is the constant term.
private enum CRCPolynomial {
  /// x^(8 · 2^k) for k = 0 …, each the square of the one before.
  private static let byteShifts: [UInt32] = {
    var power: UInt32 = 1 << 30  // x
    for _ in 0..<3 { power = product(power, power) }
    return (0..<63).map { _ in
      defer { power = product(power, power) }
      return power
    }
  }()

  /// The CRC of bytes followed by `count` zeros, without the effect of initial value and final
  /// xor: what a CRC becomes in that of a longer text.
  static func shifted(_ checksum: UInt32, byBytes count: Int) -> UInt32 {
    var result = checksum
    var rest = count
    while rest != 0 {
      result = product(byteShifts[rest.trailingZeroBitCount], result)
      rest &= rest - 1
    }
    return result
  }

  private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
    var result: UInt32 = 0
    var shifted = b
    for bit in (0..<32).reversed() {
      if a >> UInt32(bit) & 1 != 0 { result ^= shifted }
      shifted = shifted & 1 != 0 ? shifted >> 1 ^ 0xEDB8_8320 : shifted >> 1
    }
    return result
  }
}
