import Tensors
import Testing

@Suite struct TensorNameTests {
  static let composed = "caf\u{e9}"
  static let decomposed = "cafe\u{301}"

  @Test func canonicallyEquivalentNamesAreDifferentKeys() {
    #expect(TensorNameTests.composed == TensorNameTests.decomposed, "as strings they are equal")
    let composed = TensorName(TensorNameTests.composed)
    let decomposed = TensorName(TensorNameTests.decomposed)
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    let values = [composed: 1, decomposed: 2]
    #expect(values[composed] == 1)
    #expect(values[decomposed] == 2)
  }

  @Test func equalBytesAreOneKeyHoweverTheStringWasMade() {
    let made = TensorName(String(decoding: [0x61, 0xc3, 0xa9], as: UTF8.self))
    let written: TensorName = "a\u{e9}"
    #expect(made == written)
    #expect(Set([made, written]).count == 1)
  }

  /// U+FF5E sorts before U+10000 by bytes, after it by UTF-16 units.
  @Test func orderIsThatOfTheBytes() {
    let sorted: [TensorName] = [
      "", "B", "a", "a.1", "a.10", "a.2", "b", "e\u{301}", "\u{e9}", "\u{ff5e}", "\u{10000}",
    ]
    #expect(sorted.reversed().sorted() == sorted)
    #expect(TensorName("a") < TensorName("a\u{0}"))
    #expect(!(TensorName("a") < TensorName("a")))
  }

  @Test(arguments: [
    ("plain.weight", "plain.weight"), ("gr\u{fc}n \u{1f600}", "gr\u{fc}n \u{1f600}"),
    ("\u{1b}[31mred", #"\u{1b}[31mred"#), ("a\u{0}b", #"a\u{0}b"#), ("a\r\nb", #"a\u{d}\u{a}b"#),
    ("\u{7f}\u{9b}", #"\u{7f}\u{9b}"#), ("x\u{202e}y\u{202c}", #"x\u{202e}y\u{202c}"#),
    ("\u{2066}z\u{2069}", #"\u{2066}z\u{2069}"#), ("\u{200e}\u{200f}", #"\u{200e}\u{200f}"#),
    ("\u{61c}", #"\u{61c}"#), ("\u{2028}\u{2029}", #"\u{2028}\u{2029}"#),
  ])
  func whatSteersATerminalIsEscaped(name: String, shown: String) {
    #expect(name.escapedForTerminal == shown)
    #expect(TensorName(name).description == shown)
    #expect(TensorName(name).string == name)
  }

  @Test func escapingKeepsTheSpelling() {
    let escaped = "\u{1b}\(TensorNameTests.decomposed)".escapedForTerminal
    #expect(Array(escaped.utf8) == Array(#"\u{1b}cafe"#.utf8) + [0xcc, 0x81])
  }
}
