@testable import Adapters
import Tensors

/// The description of an adapter, the JSON text in a container and beside our other formats.
enum DescriptionTarget: FuzzTarget {
  static let name = "description"

  static func run(_ input: [UInt8]) throws {
    let check = RuleCheck.collecting()
    _ = try AdapterContent(parsing: input, path: "input", check: check)
    let content: AdapterContent
    do {
      guard let found = try AdapterContent(parsing: input, path: "input", check: .throwing) else {
        fatalError("nothing though nothing was thrown")
      }
      content = found
    } catch let error as ContentError {
      require(check.hasErrors, "an error that a list of all lacks: \(error)")
      return
    }
    require(!check.hasErrors, "errors that do not stop a reader: \(check.violations)")
    let text = content.text
    guard
      let again = try AdapterContent(parsing: Array(text.utf8), path: "again", check: .throwing)
    else { fatalError("nothing though nothing was thrown") }
    require(again.text == text, "another text after reading: \(text)")
  }
}
