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
      (1, "1"), (-0.0, "-0"), (0, "0"), (0.1, "0.1"), (1e16, "10000000000000000"), (100, "100"),
      (1.0 / 3, "0.3333333333333333"), (2e-5, "0.00002"), (-123.5, "-123.5"), (1e-7, "1e-7"),
      (1.5e-9, "1.5e-9"), (1.25e22, "1.25e+22"), (0.001, "0.001"), (123456, "123456"),
    ] as [(Double, String)])
  func doublesAreWrittenInTheirShortestForm(value: Double, text: String) {
    #expect(JSONValue.double(value).serialized() == text)
  }

  /// The samples of RFC 8785, Appendix B, but for the negative zero.
  @Test(
    arguments: [
      (0x0000_0000_0000_0001, "5e-324"), (0x8000_0000_0000_0001, "-5e-324"),
      (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
      (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
      (0x4340_0000_0000_0000, "9007199254740992"), (0xc340_0000_0000_0000, "-9007199254740992"),
      (0x4430_0000_0000_0000, "295147905179352830000"),
      (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"), (0x44b5_2d02_c7e1_4af6, "1e+23"),
      (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
      (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
      (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
      (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"), (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
      (0x41b3_de43_5555_5553, "333333333.3333332"), (0x41b3_de43_5555_5554, "333333333.33333325"),
      (0x41b3_de43_5555_5555, "333333333.3333333"), (0x41b3_de43_5555_5556, "333333333.3333334"),
      (0x41b3_de43_5555_5557, "333333333.33333343"),
      (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
      (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] as [(UInt64, String)])
  func doublesAreLaidOutAsECMAScriptDoes(bits: UInt64, text: String) {
    #expect(JSONValue.double(Double(bitPattern: bits)).serialized() == text)
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
