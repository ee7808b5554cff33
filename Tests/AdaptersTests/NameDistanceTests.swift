import Adapters
import Tensors
import TestSupport
import Testing

/// The nearest names that an error offers.
@Suite struct NameDistanceTests {
  @Test("the longest run of last components counts first, then edits, then the order of names")
  func order() {
    let names: [TensorName] = ["a.q.weight", "b.q.weight", "a.k.weight", "l.0.q.bias", "x"]
    #expect(
      NameDistance.nearest(to: "c.q.weight", among: names) == ["'a.q.weight'", "'b.q.weight'"])
    #expect(
      NameDistance.nearest(to: "a.v.weight", among: names, limit: 3) == [
        "'a.k.weight'", "'a.q.weight'", "'b.q.weight'",
      ])
    #expect(NameDistance.nearest(to: "l.0.q.bios", among: names) == ["'l.0.q.bias'"])
  }

  @Test("names that share nothing and differ in most letters are no help")
  func noHelp() {
    #expect(NameDistance.nearest(to: "abc", among: ["xyz", "completely.different"]).isEmpty)
    #expect(NameDistance.nearest(to: "abc", among: []).isEmpty)
    #expect(NameDistance.nearest(to: "", among: ["a"]).isEmpty)
  }

  @Test("at most so many, escaped")
  func limit() {
    #expect(NameDistance.nearest(to: "a", among: ["a\n", "ab"], limit: 1).count <= 1)
    #expect(NameDistance.nearest(to: "x.abcd", among: ["x.abc\u{1b}"]) == [#"'x.abc\u{1b}'"#])
  }

  @Test("nothing is searched among very many")
  func many() {
    let names = (0..<20_001).map { TensorName("n\($0)") }
    #expect(NameDistance.nearest(to: "n1", among: names).isEmpty)
    #expect(NameDistance.nearest(to: "n1", among: Array(names.prefix(100))).first == "'n1'")
  }
}
