import ByteIO
import TestSupport
import Testing

@Suite struct ChecksumTests {
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var crc = CRC32()
    bytes.withUnsafeBytes { crc.update($0) }
    return crc.value
  }

  @Test(
    arguments: [
      ("", 0), ("a", 0xe8b7_be43), ("abc", 0x3524_41c2), ("123456789", 0xcbf4_3926),
      ("message digest", 0x2015_9d7f), ("abcdefghijklmnopqrstuvwxyz", 0x4c27_50bd),
      ("The quick brown fox jumps over the lazy dog", 0x414f_a339),
    ] as [(String, UInt32)])
  func knownTextsHaveTheirChecksum(text: String, value: UInt32) {
    #expect(ChecksumTests.checksum(Array(text.utf8)) == value)
  }

  @Test func knownRunsHaveTheirChecksum() {
    #expect(ChecksumTests.checksum([UInt8](repeating: 0, count: 32)) == 0x190a_55ad)
    #expect(ChecksumTests.checksum([UInt8](repeating: 0xff, count: 32)) == 0xff6c_ab0b)
  }

  @Test func piecesGiveTheChecksumOfTheWhole() {
    var generator = SeededGenerator(seed: 32)
    let content = (0..<5000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    var bitwise: UInt32 = ~0
    for byte in content {
      bitwise ^= UInt32(byte)
      for _ in 0..<8 { bitwise = bitwise >> 1 ^ (bitwise & 1 == 0 ? 0 : 0xedb8_8320) }
    }
    #expect(ChecksumTests.checksum(content) == ~bitwise)
    var crc = CRC32()
    var rest = content[...]
    while !rest.isEmpty {
      let piece = rest.prefix(Int.random(in: 0...300, using: &generator))
      piece.withUnsafeBytes { crc.update($0) }
      rest = rest.dropFirst(piece.count)
    }
    crc.update(UnsafeRawBufferPointer(start: nil, count: 0))
    #expect(crc.value == ~bitwise)
  }
}
