import ByteIO
import Testing

@testable import Reports

/// The writer of HTML, and numbers as text.
@Suite struct MarkupTests {
  @Test("text and attributes are escaped")
  func escaping() {
    let markup = Markup("p", ["title": "\"'<>&", "class": nil]) { "</p>\u{0}\u{202e}&amp;" }
    #expect(
      markup.html
        == "<p title=\"&quot;&#39;&lt;&gt;&amp;\">&lt;/p&gt;\\u{0}\\u{202e}&amp;amp;</p>")
    #expect(Markup("br").html == "<br>")
    #expect(Markup(breakable: "a.<b").html == "a.<wbr>&lt;b")
  }

  @Test("JSON in a script element can't end it and reads back the same")
  func script() throws {
    let json = JSONValue.members([
      "a": .string("</script><!-- & \u{2028}\u{2029}\u{1}\\u003c"), "</b>": .double(0.1),
    ])
    let text = json.escapedForScript
    #expect(!text.contains("<") && !text.contains(">") && !text.contains("&"))
    #expect(try JSONValue(parsing: Array(text.utf8)) == json)
  }

  @Test(
    "numbers have the digits asked for",
    arguments: [
      (0, "0"), (1, "1.000"), (0.16743, "0.1674"), (11.3181, "11.32"), (-2.5, "−2.500"),
      (123_456, "123456"), (1e-7, "1.000e−7"), (1e308, "1.000e308"),
      (.leastNonzeroMagnitude, "4.941e−324"),
      (0.99996, "1.0000"), (.nan, "no value"), (-.infinity, "no value"),
    ])
  func short(_ value: Double, _ text: String) { #expect(NumberText.short(value) == text) }

  @Test("all digits are the JSON's")
  func full() {
    for value in [0.1 + 0.2, -0.0, 1e21, .leastNonzeroMagnitude] {
      #expect(NumberText.full(value) == JSONValue.double(value).serialized())
    }
  }

  @Test("shares, sizes and counts")
  func words() {
    #expect(NumberText.percent(0.123) == "12.3 %")
    #expect(NumberText.percent(0.00971) == "0.97 %")
    #expect(NumberText.percent(0) == "0.0 %")
    #expect(NumberText.bytes(147_456) == "147.5 kB")
    #expect(NumberText.count(20480) == "20\u{202f}480")
    #expect(NumberText.count(1, "block") == "1 block")
  }

  @Test("long texts lose their middle")
  func shortening() {
    #expect("abcdefghij".shortened(to: 5) == "ab…ij")
    #expect("abcde".shortened(to: 5) == "abcde")
  }

  @Test("coordinates have two decimals at most")
  func coordinates() {
    #expect(
      [0, 1.005, -0.5, 12.34, 7.1, -0.001].map(\.coordinate) == [
        "0", "1", "-0.5", "12.34", "7.1", "0",
      ])
  }
}
