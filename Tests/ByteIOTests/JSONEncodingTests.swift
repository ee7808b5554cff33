import ByteIO
import Testing

/// Bytes that are no UTF-8, strings that are no Unicode, other encodings.
@Suite struct JSONEncodingTests {
  typealias Refusal = JSONRefuseTests.Refusal

  static func quoted(_ bytes: [UInt8]) -> [UInt8] { [0x22] + bytes + [0x22] }

  @Test(
    arguments: [
      // UTF-8 with a mark.
      [0xef, 0xbb, 0xbf, 0x31], [0xef, 0xbb, 0xbf],
      // UTF-16 with a mark, and without.
      [0xff, 0xfe, 0x31, 0x00], [0xfe, 0xff, 0x00, 0x31], [0xff, 0xfe], [0xfe, 0xff],
      [0x7b, 0x00, 0x7d, 0x00], [0x00, 0x7b, 0x00, 0x7d],
      // UTF-32 with a mark, and without.
      [0xff, 0xfe, 0x00, 0x00, 0x31, 0x00, 0x00, 0x00],
      [0x00, 0x00, 0xfe, 0xff, 0x00, 0x00, 0x00, 0x31],
      [0x31, 0x00, 0x00, 0x00], [0x00, 0x00, 0x00, 0x31],
    ] as [[UInt8]])
  func otherEncodingsAndMarksAreRefused(text: [UInt8]) {
    #expect(throws: JSONError(reason: .byteOrderMark, offset: 0)) { try JSONValue(parsing: text) }
    #expect(throws: JSONError(reason: .byteOrderMark, offset: 0)) { try JSONReader(text) }
  }

  @Test(
    arguments: [
      // Continuation bytes alone.
      [0x80], [0xbf, 0xbf],
      // Cut off by the closing quote, and by another character.
      [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98],
      [0xc3, 0x28], [0xe2, 0x28, 0xa1], [0xf0, 0x28, 0x8c, 0xbc],
      // Overlong.
      [0xc0, 0xaf], [0xc1, 0xbf], [0xe0, 0x80, 0xaf], [0xf0, 0x80, 0x80, 0xaf], [0xc0, 0x80],
      // Surrogates.
      [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
      // Beyond Unicode.
      [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xff], [0xfe],
    ] as [[UInt8]])
  func stringsThatAreNotUTF8AreRefused(bytes: [UInt8]) {
    let plain = JSONEncodingTests.quoted([0x61, 0x62] + bytes)
    let escaped = JSONEncodingTests.quoted([0x5c, 0x6e] + bytes)
    for text in [plain, escaped, plain + [0x20], escaped + [0x20]] {
      #expect(throws: JSONError(reason: .notUTF8, offset: 1)) { try JSONValue(parsing: text) }
    }
    let key = [0x7b] + plain + Array(":1}".utf8)
    #expect(throws: JSONError(reason: .notUTF8, offset: 2)) { try JSONValue(parsing: key) }
  }

  /// A lead byte must not be completed by what an escape stands for.
  @Test func escapesDoNotCompleteBrokenBytes() {
    let text = JSONEncodingTests.quoted([0xc3] + Array(#"\u00a9"#.utf8))
    #expect(throws: JSONError(reason: .notUTF8, offset: 1)) { try JSONValue(parsing: text) }
  }

  @Test(arguments: [
    Refusal(#""\ud800""#, .notUTF8, at: 7), Refusal(#""\udc00""#, .notUTF8, at: 7),
    Refusal(#""\udfff\ud800""#, .notUTF8, at: 7), Refusal(#""\ud83dx""#, .notUTF8, at: 7),
    Refusal(#""\ud83d\n""#, .notUTF8, at: 7), Refusal(#""\ud800\u0041""#, .notUTF8, at: 13),
    Refusal(#""\ud800\ud800""#, .notUTF8, at: 13), Refusal(#""\ud83d"#, .notUTF8, at: 7),
    Refusal(#"{"\ud800":1}"#, .notUTF8, at: 8),
  ])
  func halfSurrogatePairsAreRefused(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }

  @Test(arguments: 0..<0x20 as Range<UInt8>)
  func rawControlCharactersAreRefused(byte: UInt8) {
    let plain = JSONEncodingTests.quoted([0x61, byte])
    #expect(throws: JSONError(reason: .badString, offset: 2)) { try JSONValue(parsing: plain) }
    let escaped = JSONEncodingTests.quoted([0x5c, 0x6e, byte])
    #expect(throws: JSONError(reason: .badString, offset: 3)) { try JSONValue(parsing: escaped) }
  }

  @Test(arguments: [
    Refusal(#""\x41""#, .badString, at: 3), Refusal(#""\'""#, .badString, at: 3),
    Refusal(#""\0""#, .badString, at: 3), Refusal(#""\U0041""#, .badString, at: 3),
    Refusal(#""\v""#, .badString, at: 3), Refusal("\"\\\n\"", .badString, at: 3),
    Refusal(#""\u12g4""#, .badString, at: 5), Refusal(#""\u+123""#, .badString, at: 3),
    Refusal(#""\u 123""#, .badString, at: 3), Refusal(#""\u12"  "#, .badString, at: 5),
    Refusal("\"\\u\u{ff11}1\"", .badString, at: 3),
  ])
  func unknownEscapesAreRefused(refusal: Refusal) { JSONRefuseTests.expectRefused(refusal) }
}
