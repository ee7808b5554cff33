/// The checksum that the filter of that name appends to a chunk: over big-endian 16-bit words.
enum Fletcher32 {
  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var (sum1, sum2): (UInt32, UInt32) = (0, 0)
    func folded(_ sum: UInt32) -> UInt32 { (sum & 0xffff) + (sum >> 16) }
    var position = 0
    var words = bytes.count / 2
    while words > 0 {
      // As many as the sums hold without overflow.
      let run = min(words, 360)
      for _ in 0..<run {
        unsafe sum1 &+= UInt32(bytes[position]) << 8 | UInt32(bytes[position + 1])
        sum2 &+= sum1
        position += 2
      }
      words -= run
      (sum1, sum2) = (folded(sum1), folded(sum2))
    }
    if bytes.count % 2 == 1 {
      unsafe sum1 &+= UInt32(bytes[position]) << 8
      sum2 &+= sum1
      (sum1, sum2) = (folded(sum1), folded(sum2))
    }
    (sum1, sum2) = (folded(sum1), folded(sum2))
    return sum2 << 16 | sum1
  }
}
