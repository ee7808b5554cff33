import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import Testing

/// How tensors must lie in a file; numbers are those of the project's list of bad inputs.
@Suite struct DataLayoutTests {
  private func header(_ ranges: [(Int, Int)]) -> String {
    let entries = ranges.enumerated().map { position, range in
      TestHeader.entry(
        "t\(position)", dtype: "U8", shape: "[\(range.1 - range.0)]",
        offsets: "[\(range.0),\(range.1)]")
    }
    return "{\(entries.joined(separator: ","))}"
  }

  @Test("14: overlapping data")
  func overlap() throws {
    try TestHeader.expectRefused(
      header: header([(0, 4), (3, 8)]), data: 8, tensor: "t1", .overlap(begin: 3, previousEnd: 4),
      line: "tensor 't1': data overlaps another tensor's (found begin 3, expected 4)")
  }

  @Test("14: two tensors on the same bytes")
  func sameBytes() throws {
    try TestHeader.expectRefused(
      header: header([(0, 4), (0, 4)]), data: 4, tensor: "t1", .overlap(begin: 0, previousEnd: 4))
  }

  @Test("14: an empty tensor inside another one")
  func emptyInside() throws {
    try TestHeader.expectRefused(
      header: header([(2, 2), (0, 4)]), data: 4, tensor: "t0", .overlap(begin: 2, previousEnd: 4))
  }

  @Test(
    "15: unused bytes at the start and between tensors",
    arguments: [
      ([(1, 4)], "t0", 1, 0), ([(0, 4), (6, 8)], "t1", 6, 4), ([(6, 8), (0, 4)], "t0", 6, 4),
      ([(8, 8)], "t0", 8, 0),
    ])
  func hole(_ ranges: [(Int, Int)], _ tensor: TensorName, _ begin: Int, _ end: Int) throws {
    try TestHeader.expectRefused(
      header: header(ranges), data: 8, tensor: tensor, .hole(begin: begin, previousEnd: end),
      line:
        "tensor '\(tensor)': unused bytes before the data (found begin \(begin), expected \(end))")
  }

  @Test("15: offsets at the end of the number range")
  func farAway() throws {
    let far = "[9223372036854775806,9223372036854775807]"
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(dtype: "U8", offsets: far))}", tensor: "x",
      .hole(begin: .max - 1, previousEnd: 0))
  }

  @Test("16: bytes after the last tensor", arguments: [1, 8, 4096])
  func trailing(_ count: Int) throws {
    try TestHeader.expectRefused(
      header: header([(0, 4)]), data: 4 + count, .wrongDataSize(found: 4 + count, expected: 4),
      line: "file has the wrong size for its tensors (found \(4 + count) data bytes, expected 4)")
  }

  @Test("16: data without tensors")
  func dataAlone() throws {
    try TestHeader.expectRefused(
      header: #"{"__metadata__":{}}"#, data: 1, .wrongDataSize(found: 1, expected: 0))
  }

  @Test("17: one byte short")
  func short() throws {
    try TestHeader.expectRefused(
      header: header([(0, 4), (4, 8)]), data: 7, .wrongDataSize(found: 7, expected: 8),
      line: "file has the wrong size for its tensors (found 7 data bytes, expected 8)")
  }

  @Test("17: cut at every byte, a file is refused", arguments: 0..<83)
  func cut(_ count: Int) throws {
    let whole = TestHeader.file("{\(TestHeader.entry())}".padded(to: 71), data: 4)
    try #require(whole.count == 83)
    let reason: SafetensorsError.Reason =
      switch count {
      case ..<8: .tooShort(found: count)
      case ..<79: .headerBeyondFile(found: 71, available: count - 8)
      default: .wrongDataSize(found: count - 79, expected: 4)
      }
    try TestHeader.expectRefused(Array(whole.prefix(count)), reason)
  }

  @Test("tensors are listed in the order of their data, whatever that of the header")
  func dataOrder() throws {
    let file = try TestHeader.open(
      TestHeader.file(header([(6, 8), (0, 4), (4, 4), (4, 6), (8, 8)]), data: 8))
    #expect(file.tensors.map(\.name) == ["t1", "t2", "t3", "t0", "t4"])
    #expect(file.header.offsets == [0, 4, 4, 6, 8])
    #expect(file.index(of: "t3") == 2)
    #expect(file.index(of: "t5") == nil)
  }
}

extension String {
  /// The text with spaces after it.
  fileprivate func padded(to count: Int) -> String {
    self + String(repeating: " ", count: count - utf8.count)
  }
}
