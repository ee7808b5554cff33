import ByteIO
import TestSupport
import Testing

@Suite struct JSONNumberTests {
  static func number(_ text: String) throws -> JSONNumber {
    try #require(try JSONValue(parsing: Array(text.utf8)).number)
  }

  @Test(
    arguments: [
      ("0", 0), ("-0", 0), ("7", 7), ("-7", -7), ("9223372036854775807", .max),
      ("-9223372036854775808", .min),
    ] as [(String, Int)])
  func integersThatFit(text: String, value: Int) throws {
    #expect(try JSONNumberTests.number(text).integer == value)
  }

  /// What has a fraction or an exponent is no integer even where its value is one.
  @Test(arguments: [
    "1.0", "0.0", "-0.0", "1e2", "1E2", "1e0", "100e-2", "1.5", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "100000000000000000000000000000000",
  ])
  func othersAreNoIntegers(text: String) throws {
    let number = try JSONNumberTests.number(text)
    #expect(number.integer == nil)
    #expect(number.text == text)
  }

  @Test(
    arguments: [
      ("1", 1), ("-0", -0.0), ("-0.0", -0.0), ("1e2", 100), ("1E+2", 100), ("25e-1", 2.5),
      ("0.1", 0.1), ("9007199254740993", 0x1p53), ("1e23", 1e23),
      ("2.2250738585072012e-308", 0x1p-1022), ("2.2250738585072011e-308", (0x1p-1022).nextDown),
      ("1.7976931348623157e308", .greatestFiniteMagnitude), ("1e-400", 0),
    ] as [(String, Double)])
  func doublesAreTheNearest(text: String, value: Double) throws {
    #expect(try JSONNumberTests.number(text).double?.bitPattern == value.bitPattern)
  }

  @Test(
    arguments: [
      (1, "1.0"), (-0.0, "-0.0"), (0.1, "0.1"), (1e16, "1e+16"), (1e23, "1e+23"), (100, "100.0"),
      (0x1p-1074, "5e-324"), (.greatestFiniteMagnitude, "1.7976931348623157e+308"),
      (1.0 / 3, "0.3333333333333333"), (2e-5, "2e-05"),
    ] as [(Double, String)])
  func doublesAreWrittenInTheirShortestForm(value: Double, text: String) {
    #expect(JSONValue.double(value).serialized() == text)
  }

  @Test(arguments: [Double.nan, -.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsWrittenAsNull(value: Double) {
    #expect(JSONValue.double(value) == .null)
    #expect(JSONValue.double(value).serialized() == "null")
  }

  @Test func everyDoubleReadsBackAsItself() throws {
    var generator = SeededGenerator(seed: 53)
    let values = (0..<20_000).map { _ in Double(bitPattern: generator.next()) }.filter(\.isFinite)
    let text = JSONValue.array(values.map { .double($0) }).serialized()
    let back = try #require(try JSONValue(parsing: Array(text.utf8)).array)
    #expect(back.map { $0.number?.double?.bitPattern } == values.map(\.bitPattern))
  }

  @Test func integersOfEveryWidthAreWrittenWhole() {
    #expect(JSONValue.integer(UInt64.max).serialized() == "18446744073709551615")
    #expect(JSONValue.integer(Int.min).serialized() == "-9223372036854775808")
    #expect(JSONValue.integer(0 as UInt8).serialized() == "0")
  }
}
