import HDF5
import Testing

/// Attributes and small datasets as h5py writes them (Adapter in HDF5 §1.2, §1.3).
@Suite struct ValueTests {
  static let readings = [HDF5Reading.inProcess, Worker.reading]

  @Test("attributes of every kind", arguments: readings)
  func attributes(_ reading: HDF5Reading) throws {
    let root = try Fixture.open("values.h5", reading: reading).root
    let expected: [(String, HDF5Value)] = [
      ("text", .string("variable é")),
      ("empty text", .string("")),
      ("padded 0", .string("ab c")),
      ("padded 1", .string("ab c")),
      ("padded 2", .string("ab c")),
      ("latin", .unsupported("a string that is not UTF-8")),
      ("integer <i8", .integer(-5)),
      ("integer <i1", .integer(-5)),
      ("integer >i4", .integer(-5)),
      ("integer <u8", .integer(250)),
      ("integer <u2", .integer(250)),
      ("integer >u4", .integer(250)),
      ("integer large", .unsupported("an integer beyond 63 bits")),
      ("integers", .integers([1, -2, 3])),
      ("no integers", .integers([])),
      ("float <f8", .double(-1.5)),
      ("float >f4", .double(-1.5)),
      ("float <f2", .double(-1.5)),
      ("floats", .doubles([0.5, .infinity])),
      ("strings", .unsupported("an array of strings")),
      ("matrix", .unsupported("an array of rank 2")),
      ("flag", .unsupported("an enumeration")),
      ("nothing", .unsupported("an attribute without a value")),
    ]
    #expect(root.attributes.count == expected.count)
    for (name, value) in expected { #expect(root.attribute(name) == value, "\(name)") }
    #expect(root.attribute("absent") == nil)
  }

  @Test("strings and lists of floats")
  func datasets() throws {
    let root = try Fixture.open("values.h5").root
    func dataset(_ name: String) throws -> HDF5Dataset { try #require(try root.dataset(name)) }
    #expect(try dataset("fixed").text(limit: 100) == "fixed é")
    #expect(try dataset("doubles").doubles(limit: 2) == [0.5, -1e300])
    expectRefused("fixed", .tooMany(what: "bytes in a string", limit: 7)) {
      try dataset("fixed").text(limit: 7)
    }
    #expect(try dataset("variable").text(limit: 100) == "variable")
    expectRefused("variable", .tooMany(what: "bytes in a string", limit: 7)) {
      try dataset("variable").text(limit: 7)
    }
    expectRefused("variable", .unsupported("strings of variable length")) {
      try dataset("variable").read(at: 0, into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
    expectRefused(
      "fixed list",
      .wrongKind(found: "strings of 1 bytes of shape [2]", expected: "a string")
    ) { try dataset("fixed list").text(limit: 100) }
    expectRefused("doubles", .wrongKind(found: "F64 of shape [2]", expected: "a string")) {
      try dataset("doubles").text(limit: 100)
    }
    expectRefused("doubles", .tooMany(what: "values", limit: 1)) {
      try dataset("doubles").doubles(limit: 1)
    }
    expectRefused("fixed", .wrongKind(found: "strings of 8 bytes", expected: "F64 of rank 1")) {
      try dataset("fixed").doubles(limit: 1)
    }
  }

  private func expectRefused<Value>(
    _ name: String, _ reason: HDF5Error.Reason, _ body: () throws -> Value
  ) {
    #expect(
      throws: HDF5Error(
        path: Fixture.path("values.h5"), object: .dataset("/\(name)"), reason: reason)
    ) { _ = try body() }
  }
}
