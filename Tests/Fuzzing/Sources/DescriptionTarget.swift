@testable import Adapters
import Tensors

/// The description of an adapter, the JSON text in a container and beside our other formats.
enum DescriptionTarget: FuzzTarget {
  static let name = "description"

  static func run(_ input: [UInt8]) throws {
    let check = RuleCheck.collecting()
    _ = try AdapterContent(parsing: input, path: "input", check: check)
    for violation in check.violations { requireLine(violation.message) }
    let found = try accepted(ContentError.self) {
      try AdapterContent(parsing: input, path: "input", check: .throwing)
    }
    guard let found else {
      require(check.hasErrors, "an error that a list of all lacks")
      return
    }
    guard let content = found else { fatalError("nothing though nothing was thrown") }
    require(!check.hasErrors, "errors that do not stop a reader: \(check.violations)")
    let text = content.text
    guard
      let again = try AdapterContent(parsing: Array(text.utf8), path: "again", check: .throwing)
    else { fatalError("nothing though nothing was thrown") }
    require(again.text == text, "another text after reading: \(text)")
  }
}
