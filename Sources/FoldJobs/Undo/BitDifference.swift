/// The bitwise difference of two buffers: what is the same becomes zero, and what becomes of the
/// one with the difference is the other (Undo §4.2).
enum BitDifference {
  /// Writes the exclusive or of two buffers of the same size into a third, which may be one of
  /// them; whether any bit differs.
  @discardableResult
  static func write(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
    into target: UnsafeMutableRawBufferPointer
  ) -> Bool {
    precondition(first.count == second.count && first.count == target.count)
    guard let a = first.baseAddress, let b = second.baseAddress, let t = target.baseAddress else {
      return false
    }
    var seen: UInt64 = 0
    let words = first.count / 8
    for word in 0..<words {
      let difference =
        unsafe a.loadUnaligned(fromByteOffset: word &* 8, as: UInt64.self)
        ^ b.loadUnaligned(fromByteOffset: word &* 8, as: UInt64.self)
      unsafe t.storeBytes(of: difference, toByteOffset: word &* 8, as: UInt64.self)
      seen |= difference
    }
    for byte in (words * 8)..<first.count {
      let difference = unsafe first[byte] ^ second[byte]
      unsafe target[byte] = difference
      seen |= UInt64(difference)
    }
    return seen != 0
  }
}
