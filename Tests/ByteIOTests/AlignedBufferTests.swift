import ByteIO
import Testing

@Suite struct AlignedBufferTests {
  @Test(arguments: [0, 1, 63, 64, 65, 100_000])
  func memoryIsAlignedForVectors(byteCount: Int) {
    let buffer = AlignedBuffer(byteCount: byteCount)
    #expect(Int(bitPattern: buffer.bytes.baseAddress) % 64 == 0)
    #expect(buffer.bytes.count >= byteCount)
    #expect(buffer.prefix(byteCount).count == byteCount)
    #expect(buffer.prefix(byteCount).baseAddress == buffer.bytes.baseAddress)
  }

  @Test func buffersAreComparedByTheirBytes() {
    let first = AlignedBuffer(byteCount: 100)
    let second = AlignedBuffer(byteCount: 100)
    for i in 0..<100 {
      first.bytes[i] = UInt8(i)
      second.bytes[i] = UInt8(i)
    }
    #expect(first.bytes.hasSameBytes(as: second.bytes))
    #expect(!first.prefix(99).hasSameBytes(as: second.prefix(98)))
    #expect(first.prefix(0).hasSameBytes(as: second.prefix(0)))
    #expect(first.prefix(0).hasSameBytes(as: UnsafeMutableRawBufferPointer(start: nil, count: 0)))
    second.bytes[99] = 0
    #expect(!first.bytes.hasSameBytes(as: second.bytes))
    #expect(first.prefix(99).hasSameBytes(as: second.prefix(99)))
  }
}
