import ByteIO

/// Strict JSON.
enum JSONTarget: FuzzTarget {
  static let name = "json"

  static func run(_ input: [UInt8]) throws {
    guard let value = try accepted(JSONError.self, body: { try JSONValue(parsing: input) })
    else { return }
    for indented in [false, true] {
      let text = value.serialized(indented: indented)
      let again = try JSONValue(parsing: Array(text.utf8))
      require(again == value, "another value after writing: \(text)")
      require(again.serialized(indented: indented) == text, "another text after reading: \(text)")
    }
    // A reader that stops at any byte says so.
    for count in [input.count / 2, input.count - 1] where count >= 0 {
      do { _ = try JSONValue(parsing: Array(input.prefix(count))) } catch {
        require((0...count).contains(error.offset), "an error outside the text: \(error)")
      }
    }
  }
}
