import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Headers made to cost time or memory; numbers are those of the project's list of bad inputs.
@Suite(.timeLimit(.minutes(10))) struct LimitTests {
  private static let depth = 100_000

  @Test("26: nesting 10^5 deep in a value that is passed over", arguments: ["[", #"{"a":"#])
  func nestedValue(_ level: String) throws {
    let deep = String(repeating: level, count: LimitTests.depth)
    try TestHeader.expectRefused(
      header: #"{"x":{"dtype":"F32","more":\#(deep)"#, tensor: "x",
      .json(JSONError(reason: .tooDeep(limit: 16), offset: 27 + 14 * level.utf8.count + 1)),
      line: "tensor 'x': header: JSON nests too deeply (expected at most 16 levels)")
  }

  @Test("26: nesting 10^5 deep where no nesting belongs")
  func nestedElsewhere() throws {
    let deep = String(repeating: "[", count: LimitTests.depth)
    try TestHeader.expectRefused(header: deep, .headerNotAnObject)
    try TestHeader.expectRefused(
      header: #"{"x":\#(deep)"#, tensor: "x", .badValue(key: "x", expected: "an object"))
    try TestHeader.expectRefused(
      header: #"{"__metadata__":\#(deep)"#,
      .badValue(key: "__metadata__", expected: "an object of strings"))
    try TestHeader.expectRefused(
      header: #"{"x":{"shape":\#(deep)"#, tensor: "x",
      .badValue(key: "shape", expected: "an array of whole numbers from 0 on"))
  }

  @Test("27: more tensors than the limit, under the cap on the header's size")
  func tooManyTensors() throws {
    // The shortest entries there are: 1,000,001 of them, about 55 MB.
    var header = Array("{".utf8)
    header.reserveCapacity(60_000_000)
    let rest = Array(#"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#.utf8)
    for number in 0...ReadingLimits().tensors {
      header.append(UInt8(ascii: "\""))
      header += Array(String(number, radix: 36).utf8)
      header += rest
    }
    header[header.count - 1] = UInt8(ascii: "}")
    try #require(header.count < ReadingLimits().headerBytes)
    let last = TensorName(String(ReadingLimits().tensors, radix: 36))
    try TestHeader.expectRefused(
      TestHeader.file(header), tensor: last, .tooManyTensors(limit: 1_000_000),
      line: "tensor '\(last)': too many tensors (expected at most 1000000); --max-tensors accepts "
        + "more")
  }

  @Test("a header of the full 100 MB that is one string")
  func longString() throws {
    let header =
      [UInt8](repeating: UInt8(ascii: "\""), count: 1)
      + [UInt8](repeating: UInt8(ascii: "a"), count: ReadingLimits().headerBytes - 1)
    try TestHeader.expectRefused(
      TestHeader.file(header), .headerNotAnObject)
  }
}
