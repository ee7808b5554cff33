internal import ByteIO

extension JSONObject {
  /// A whole number from 0 to 2^53, which sums and differences of many keep within range.
  func count(_ key: String) -> Int? {
    guard let value = self[key]?.number?.integer, (0...(1 << 53)).contains(value) else {
      return nil
    }
    return value
  }
}
