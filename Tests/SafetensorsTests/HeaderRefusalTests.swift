import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import Testing

/// Headers that are refused before any entry counts; numbers are those of the project's list of
/// bad inputs.
@Suite struct HeaderRefusalTests {
  @Test("1: an empty file")
  func emptyFile() throws {
    try TestHeader.expectRefused(
      [], .tooShort(found: 0),
      line: "too short for a safetensors file (found 0 bytes, expected at least 8)")
  }

  @Test("2: one to seven bytes", arguments: 1...7)
  func sevenBytes(_ count: Int) throws {
    try TestHeader.expectRefused([UInt8](repeating: 0, count: count), .tooShort(found: count))
  }

  @Test("3: a header length of 2^64 - 1")
  func largestLength() throws {
    try TestHeader.expectRefused(
      TestHeader.length(.max) + Array("{}".utf8), .headerTooLarge(found: .max, limit: 100_000_000),
      line: "header too large (found 18446744073709551615 bytes, expected at most 100000000)")
  }

  @Test(
    "4: a header length over the cap",
    arguments: [100_000_001, 1 << 32, 1 << 62, 1 << 63, UInt64.max - 7])
  func overTheCap(_ length: UInt64) throws {
    try TestHeader.expectRefused(
      TestHeader.length(length) + Array("{}".utf8),
      .headerTooLarge(found: length, limit: ReadingLimits().headerBytes))
  }

  @Test("5: a header length beyond the file, up to the cap", arguments: [3, 100_000_000] as [Int])
  func beyondTheFile(_ length: Int) throws {
    try TestHeader.expectRefused(
      TestHeader.length(UInt64(length)) + Array("{}".utf8),
      .headerBeyondFile(found: length, available: 2),
      line: "header reaches beyond the file (found \(length) bytes, expected at most 2)")
  }

  @Test("6: a header that is not UTF-8")
  func notUTF8() throws {
    let text = Array(#"{"a"#.utf8) + [0xff] + Array(#"":{}}"#.utf8)
    try TestHeader.expectRefused(
      TestHeader.file(text), .json(JSONError(reason: .notUTF8, offset: 2)),
      line: "header: not valid UTF-8 (at byte 2)")
  }

  @Test(
    "6: overlong forms, surrogates and cut sequences are not UTF-8",
    arguments: [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]])
  func malformedUTF8(_ sequence: [UInt8]) throws {
    let text = Array(#"{"__metadata__":{"k":""#.utf8) + sequence + Array(#""}}"#.utf8)
    try TestHeader.expectRefused(
      TestHeader.file(text), .json(JSONError(reason: .notUTF8, offset: 22)))
  }

  @Test("6: half a surrogate pair, escaped")
  func loneSurrogate() throws {
    try TestHeader.expectRefused(
      header: #"{"\ud800":{}}"#, data: 0, .json(JSONError(reason: .notUTF8, offset: 8)))
  }

  @Test("7: JSON that is no object", arguments: ["[]", #""x""#, "1", "null", "true", " [{}]"])
  func notAnObject(_ header: String) throws {
    try TestHeader.expectRefused(
      header: header, data: 0, .headerNotAnObject, line: "header is not a JSON object")
  }

  @Test("7: an empty header, and one of white space", arguments: ["", " ", "\n\t "])
  func emptyHeader(_ header: String) throws {
    try TestHeader.expectRefused(
      header: header, data: 0, .json(JSONError(reason: .unexpectedEnd, offset: header.utf8.count)))
  }

  @Test(
    "8: a byte-order mark or UTF-16",
    arguments: [
      [0xef, 0xbb, 0xbf, 0x7b, 0x7d], [0xff, 0xfe, 0x7b, 0, 0x7d, 0],
      [0xfe, 0xff, 0, 0x7b, 0, 0x7d], [0x7b, 0, 0x7d, 0], [0, 0x7b, 0, 0x7d],
    ])
  func byteOrderMark(_ header: [UInt8]) throws {
    try TestHeader.expectRefused(
      TestHeader.file(header), .json(JSONError(reason: .byteOrderMark, offset: 0)),
      line: "header: expected UTF-8 without a byte-order mark")
  }

  @Test(
    "a header that is not strict JSON",
    arguments: [
      ("{", JSONError(reason: .unexpectedEnd, offset: 1)),
      ("{} x", JSONError(reason: .trailingText, offset: 3)),
      ("{}\0", JSONError(reason: .trailingText, offset: 2)),
      ("{,}", JSONError(reason: .unexpected(expected: "a string"), offset: 1)),
      ("{'x':{}}", JSONError(reason: .unexpected(expected: "a string"), offset: 1)),
      (#"{"__metadata__":{},}"#, JSONError(reason: .unexpected(expected: "a string"), offset: 19)),
      (#"{"__metadata__" {}}"#, JSONError(reason: .unexpected(expected: "':'"), offset: 16)),
      ("{\"a\nb\":{}}", JSONError(reason: .badString, offset: 3)),
    ])
  func notStrict(_ header: String, _ error: JSONError) throws {
    try TestHeader.expectRefused(header: header, data: 0, .json(error))
  }

  @Test(
    "25: metadata values that are no strings", arguments: ["1", "null", "true", "{}", #"["a"]"#])
  func metadataValue(_ value: String) throws {
    try TestHeader.expectRefused(
      header: #"{"__metadata__":{"format":\#(value)}}"#, data: 0,
      .badValue(key: "format", expected: "a string in the metadata"),
      line: "bad 'format' in the header (expected a string in the metadata)")
  }

  @Test("25: metadata that is no object", arguments: ["1", #""pt""#, "false", #"["a"]"#])
  func metadataKind(_ value: String) throws {
    try TestHeader.expectRefused(
      header: #"{"__metadata__":\#(value)}"#, data: 0,
      .badValue(key: "__metadata__", expected: "an object of strings"))
  }

  @Test("metadata over 16 MiB, all keys and values together")
  func metadataSize() throws {
    let half = String(repeating: "m", count: 8 << 20)
    try TestHeader.expectRefused(
      header: #"{"__metadata__":{"a":"\#(half)","b":"\#(half)"}}"#, data: 0,
      .metadataTooLarge(limit: 16 << 20),
      line: "metadata too large (expected at most 16777216 bytes); --max-metadata accepts more")
  }
}
