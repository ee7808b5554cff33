import FormatTestSupport
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// Reading tensors whose elements do not lie in the tensor's order.
struct StridedReadTests {
  /// The elements of a view of the numbers 0, 1, 2, …, one by one.
  private func elements(_ shape: [Int], _ strides: [Int], _ offset: Int) -> [Int] {
    var positions = [offset]
    for (extent, stride) in zip(shape, strides) {
      positions = positions.flatMap { start in (0..<extent).map { start + $0 * stride } }
    }
    return positions
  }

  private func read(_ source: TorchCheckpoint, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0xaa, count: range.count)
    try bytes.withUnsafeMutableBytes {
      try source.read(tensor: 0, at: range.lowerBound, into: $0)
    }
    return bytes
  }

  @Test(
    "Views of all kinds, read whole and in every range of bytes",
    arguments: [
      ([3, 4], [1, 3], 0), ([3, 4], [5, 1], 2), ([3, 4], [8, 2], 0), ([2, 3, 4], [1, 8, 2], 0),
      ([2, 3, 4], [12, 1, 3], 1), ([4], [0], 3), ([3, 4], [0, 1], 5), ([3, 4], [1, 0], 5),
      ([2, 1, 3, 1], [3, 7, 1, 9], 0), ([2, 1, 3, 1], [1, 7, 2, 9], 0), ([], [], 4),
      ([1], [100], 4), ([0, 5], [1, 1], 0), ([5, 0], [1, 1], 0), ([3, 3], [1, 1], 0),
      ([2, 2, 2, 2, 2], [1, 2, 4, 8, 16], 0),
      ([2, 2, 1, 2, 2, 1, 2, 2], [4, 8, 0, 1, 2, 0, 32, 16], 0),
    ] as [([Int], [Int], Int)])
  func ranges(shape: [Int], strides: [Int], offset: Int) throws {
    let tensor = TorchTensor(.counting(to: 64), shape, strides: strides, offset: offset)
    let opened = try TestCheckpoint(["x": tensor]).open()
    let expected = elements(shape, strides, offset).flatMap { little(Float($0).bitPattern) }
    #expect(try opened.bytes(of: 0) == expected)
    for start in 0...expected.count {
      for end in stride(from: start, through: expected.count, by: start % 4 == 0 ? 1 : 5) {
        #expect(try read(opened, start..<end).elementsEqual(expected[start..<end]))
      }
    }
  }

  @Test("A transposed view wider than the window of 1 MiB, in pieces of every kind")
  func large() throws {
    let rows = 700
    let columns = 900
    let tensor = TorchTensor(.counting(to: rows * columns), [rows, columns], strides: [1, rows])
    let opened = try TestCheckpoint(["x": tensor]).open()
    let expected = elements([rows, columns], [1, rows], 0).flatMap { little(Float($0).bitPattern) }
    #expect(try opened.bytes(of: 0) == expected)
    for piece in [700_001, 1 << 20] {
      for start in stride(from: 0, to: expected.count, by: piece) {
        let range = start..<min(start + piece, expected.count)
        #expect(try read(opened, range).elementsEqual(expected[range]))
      }
    }
  }

  @Test("Random views of a random storage", arguments: 1...40)
  func random(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let shape = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
      Int.random(in: 1...5, using: &generator)
    }
    let strides = shape.map { _ in Int.random(in: 0...20, using: &generator) }
    let offset = Int.random(in: 0...9, using: &generator)
    let positions = elements(shape, strides, offset)
    let count = (positions.max() ?? 0) + 1
    let tensor = TorchTensor(.counting(to: count), shape, strides: strides, offset: offset)
    let opened = try TestCheckpoint(["x": tensor]).open()
    let expected = positions.flatMap { little(Float($0).bitPattern) }
    #expect(try opened.bytes(of: 0) == expected)
    for _ in 0..<50 {
      let start = Int.random(in: 0...expected.count, using: &generator)
      let end = Int.random(in: start...expected.count, using: &generator)
      #expect(try read(opened, start..<end).elementsEqual(expected[start..<end]))
    }
  }
}
