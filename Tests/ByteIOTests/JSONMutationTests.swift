import ByteIO
import TestSupport
import Testing

/// Damaged texts: refused at a place inside the text, or understood and written back the same.
@Suite struct JSONMutationTests {
  static let originals = [
    #"{"a":[1,-2.5e+3,"x\u00e9\ud83d\ude00\n"],"b":{"c":null,"d":true,"e":[[],{}]},"f":""}"#,
    "[0.1,1e5,-0,\"\\\"\\\\\\/\\b\u{e9}\u{1f600}\"]",
    #" { "" : "" , "a" : { "a" : 1 } , "\u0062" : [ [ ] ] } "#,
    String(repeating: "[", count: 16) + "1" + String(repeating: "]", count: 16),
  ]
  static let replacements =
    Array("{}[],:\"\\u0123456789eE+-.tfnDda/' \n\t\u{0}\u{1f}\u{7f}".utf8)
    + [0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xef, 0xbb, 0xff]

  @Test(arguments: originals)
  func damagedTextsAreRefusedOrUnderstood(original: String) throws {
    var generator = SeededGenerator(seed: UInt64(original.utf8.count))
    var accepted = 0
    for _ in 0..<5000 {
      let text = JSONMutationTests.damage(Array(original.utf8), &generator)
      do throws(JSONError) {
        let value = try JSONValue(parsing: text)
        accepted += 1
        #expect(try JSONValue(parsing: Array(value.serialized().utf8)) == value)
      } catch {
        #expect((0...text.count).contains(error.offset), "\(text)")
      }
    }
    #expect(accepted > 0 && accepted < 5000)
  }

  /// Replaces, inserts or removes one to three bytes, or cuts the end off.
  private static func damage(
    _ original: [UInt8], _ generator: inout SeededGenerator
  ) -> [UInt8] {
    var text = original
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      guard let position = text.indices.randomElement(using: &generator),
        let byte = replacements.randomElement(using: &generator)
      else { break }
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<4: text[position] = byte
      case 4..<7: text.insert(byte, at: position)
      case 7..<9: text.remove(at: position)
      default: text.removeSubrange(position...)
      }
    }
    return text
  }
}
