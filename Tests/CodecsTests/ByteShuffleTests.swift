import Codecs
import TestSupport
import Testing

/// The byte shuffle (Container §3.3) against one loop over elements and bytes.
@Suite struct ByteShuffleTests {
  private func naive(_ bytes: [UInt8], _ width: Int) -> [UInt8] {
    let count = bytes.count / width
    var result = bytes
    for element in 0..<count {
      for byte in 0..<width { result[byte * count + element] = bytes[element * width + byte] }
    }
    return result
  }

  private func run(
    _ bytes: [UInt8],
    _ body: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Void
  ) -> [UInt8] {
    var result = [UInt8](repeating: 0xA5, count: bytes.count)
    bytes.withUnsafeBytes { source in result.withUnsafeMutableBytes { body(source, $0) } }
    return result
  }

  @Test("shuffling and undoing it, of elements of any width", arguments: 1...17)
  func widths(_ width: Int) {
    var generator = SeededGenerator(seed: UInt64(width))
    // Kernels take 16 elements at a time.
    for count in Array(0...50) + [127, 128, 129, 1000] {
      let bytes = (0..<(count * width)).map { _ in
        UInt8.random(in: .min ... .max, using: &generator)
      }
      let shuffled = naive(bytes, width)
      #expect(
        run(bytes) { ByteShuffle.shuffle($0, width: width, into: $1) } == shuffled, "\(count)")
      #expect(
        run(shuffled) { ByteShuffle.unshuffle($0, width: width, into: $1) } == bytes, "\(count)")
    }
  }
}
