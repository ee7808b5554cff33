import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import Testing

/// Entries that are refused one by one; numbers are those of the project's list of bad inputs.
@Suite struct EntryRefusalTests {
  private let entry = TestHeader.entry()

  @Test("9: a tensor key twice")
  func duplicateTensor() throws {
    try TestHeader.expectRefused(
      header: "{\(entry),\(TestHeader.entry(offsets: "[4,8]"))}", data: 8, tensor: "x",
      .duplicateKey("x"), line: "tensor 'x': header has the key 'x' twice")
  }

  @Test("10: a key twice inside an entry", arguments: ["dtype", "shape", "data_offsets", "other"])
  func duplicateInner(_ key: String) throws {
    let values = ["dtype": #""F32""#, "shape": "[1]", "data_offsets": "[0,4]"]
    let twice = #","\#(key)":\#(values[key] ?? "1")"#
    let other = key == "other" ? twice : ""
    try TestHeader.expectRefused(
      header: "{\(entry.dropLast())\(other)\(twice)}}", tensor: "x", .duplicateKey(key))
  }

  @Test("10: a metadata key twice, and the metadata twice")
  func duplicateMetadata() throws {
    try TestHeader.expectRefused(
      header: #"{"__metadata__":{"a":"1","a":"2"}}"#, data: 0, .duplicateKey("a"))
    try TestHeader.expectRefused(
      header: #"{"__metadata__":{},"__metadata__":{}}"#, data: 0, .duplicateKey("__metadata__"))
  }

  @Test("10: a key twice inside a value that is passed over")
  func duplicateIgnored() throws {
    let header = #"{\#(entry.dropLast()),"more":{"a":1,"a":2}}}"#
    try TestHeader.expectRefused(
      header: header, tensor: "x",
      .json(JSONError(reason: .duplicateKey("a"), offset: header.utf8.count - 3)))
  }

  @Test("12: a duplicate through an escape", arguments: [#"\u006a"#, #"\u006A"#])
  func duplicateEscaped(_ spelling: String) throws {
    let entries = [TestHeader.entry("j"), TestHeader.entry(spelling, offsets: "[4,8]")]
    for pair in [entries, entries.reversed()] {
      try TestHeader.expectRefused(
        header: "{\(pair.joined(separator: ","))}", data: 8, tensor: "j", .duplicateKey("j"))
    }
  }

  @Test("12: a duplicate inner key through an escape")
  func duplicateInnerEscaped() throws {
    try TestHeader.expectRefused(
      header: #"{"x":{"dtype":"F32","\u0064type":"F32"}}"#, tensor: "x", .duplicateKey("dtype"))
  }

  @Test("13: offsets reversed")
  func reversed() throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(offsets: "[4,0]"))}", tensor: "x",
      .offsetsReversed(begin: 4, end: 0),
      line: "tensor 'x': data ends before it begins (found begin 4, end 0)")
  }

  @Test(
    "18: a shape whose product overflows",
    arguments: [
      [4_294_967_296, 4_294_967_296], [.max, 2], [3_037_000_500, 3_037_000_500, 2],
      [.max, .max, 0],
    ])
  func shapeOverflow(_ shape: [Int]) throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(dtype: "U8", shape: "\(shape)", offsets: "[0,0]"))}", data: 0,
      tensor: "x", .info(.sizeOverflow(shape: shape)))
  }

  @Test("19: a shape that overflows times the dtype")
  func sizeOverflow() throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(dtype: "F64", shape: "[2305843009213693952]"))}", tensor: "x",
      .info(.sizeOverflow(shape: [1 << 61])),
      line: "tensor 'x': size overflows 64 bits (found shape [2305843009213693952])")
  }

  @Test(
    "20: a size that is not that of the offsets",
    arguments: [
      ("[0,4]", "[2]", 4, 8), ("[0,8]", "[1]", 8, 4), ("[0,0]", "[]", 0, 4), ("[0,4]", "[0]", 4, 0),
    ])
  func wrongSize(_ offsets: String, _ shape: String, _ found: Int, _ expected: Int) throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(shape: shape, offsets: offsets))}", tensor: "x",
      .wrongSize(found: found, expected: expected),
      line: "tensor 'x': data size does not fit dtype and shape "
        + "(found \(found) bytes, expected \(expected))")
  }

  private static let badNumbers = [
    "-1", "-0", "1.0", "1e0", "1E2", "0.5", #""1""#, "null", "true", "[1]", "9223372036854775808",
    "18446744073709551616", "1e400",
  ]

  @Test("21: negative, fractional and exponent numbers in a shape", arguments: badNumbers)
  func badExtent(_ number: String) throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(shape: "[\(number)]"))}", tensor: "x",
      .badValue(key: "shape", expected: "an array of whole numbers from 0 on"),
      line: "tensor 'x': bad 'shape' in the header (expected an array of whole numbers from 0 on)")
  }

  @Test("21: negative, fractional and exponent numbers in offsets", arguments: badNumbers)
  func badOffset(_ number: String) throws {
    for offsets in ["[\(number),4]", "[0,\(number)]"] {
      try TestHeader.expectRefused(
        header: "{\(TestHeader.entry(offsets: offsets))}", tensor: "x",
        .badValue(key: "data_offsets", expected: "an array of whole numbers from 0 on"))
    }
  }

  @Test("21: numbers that are no JSON", arguments: [("01", 29), ("1.", 31), ("1e", 31)])
  func malformedNumber(_ number: String, _ offset: Int) throws {
    let header = "{\(TestHeader.entry(shape: "[\(number)]"))}"
    try TestHeader.expectRefused(
      header: header, tensor: "x", .json(JSONError(reason: .badNumber, offset: offset)))
  }

  @Test("22: an unknown dtype is named", arguments: ["F31", "f32", "FLOAT", "", "F32 ", "F8"])
  func unknownDType(_ dtype: String) throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(dtype: dtype))}", tensor: "x", .unknownDType(found: dtype),
      line: "tensor 'x': unknown dtype (found '\(dtype)')")
  }

  @Test("22: an unknown dtype can't steer a terminal")
  func unknownDTypeEscaped() throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(dtype: #"\u001b[2J"#))}", tensor: "x",
      .unknownDType(found: "\u{1b}[2J"),
      line: #"tensor 'x': unknown dtype (found '\u{1b}[2J')"#)
  }

  @Test(
    "23: sub-byte elements that end inside a byte",
    arguments: [
      (DType.f4, 3), (.f4, 1), (.f6E2M3, 2), (.f6E3M2, 5),
    ])
  func partialByte(_ dtype: DType, _ count: Int) throws {
    let entry = TestHeader.entry(dtype: dtype.rawValue, shape: "[\(count)]", offsets: "[0,2]")
    try TestHeader.expectRefused(
      header: "{\(entry)}", data: 2, tensor: "x",
      .info(.partialByte(dtype: dtype, elements: count)),
      line:
        "tensor 'x': \(dtype.rawValue) elements do not fill whole bytes (found \(count) elements)")
  }

  @Test("24: rank over the limit", arguments: [9, 10, 100_000])
  func rank(_ rank: Int) throws {
    let shape = "[" + Array(repeating: "1", count: rank).joined(separator: ",") + "]"
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(shape: shape))}", tensor: "x",
      .info(.tooManyDimensions(found: 9)),
      line: "tensor 'x': too many dimensions (found 9, expected at most 8)")
  }

  @Test("an entry that lacks a key", arguments: ["dtype", "shape", "data_offsets"])
  func missingKey(_ key: String) throws {
    try TestHeader.expectRefused(
      header: "{\(entry.replacing(key, with: "other"))}", tensor: "x", .missingKey(key),
      line: "tensor 'x': header entry lacks '\(key)'")
  }

  @Test("an entry that is no object", arguments: ["1", "null", "[]", #""F32""#])
  func notAnObject(_ value: String) throws {
    try TestHeader.expectRefused(
      header: #"{"x":\#(value)}"#, tensor: "x", .badValue(key: "x", expected: "an object"))
  }

  @Test(
    "values of the wrong kind",
    arguments: [
      (#"{"x":{"dtype":1}}"#, "dtype", "a string"),
      (#"{"x":{"dtype":null}}"#, "dtype", "a string"),
      (#"{"x":{"shape":4}}"#, "shape", "an array of whole numbers from 0 on"),
      (#"{"x":{"shape":null}}"#, "shape", "an array of whole numbers from 0 on"),
      (#"{"x":{"data_offsets":{}}}"#, "data_offsets", "an array of whole numbers from 0 on"),
    ])
  func wrongKind(_ header: String, _ key: String, _ expected: String) throws {
    try TestHeader.expectRefused(
      header: header, tensor: "x", .badValue(key: key, expected: expected))
  }

  @Test("other than two offsets", arguments: ["[]", "[0]", "[0,4,4]"])
  func offsetCount(_ offsets: String) throws {
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(offsets: offsets))}", tensor: "x",
      .badValue(key: "data_offsets", expected: "two whole numbers"))
  }
}
