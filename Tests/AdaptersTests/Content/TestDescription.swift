import ByteIO
import LoRATestSupport
import Tensors
import Testing

@testable import Adapters

/// A description as tests write it: an adapter of the blocks `a` and `b`, b after a.
enum TestDescription {
  static let path = "x.reslora"

  static let top = JSONText([
    "format": #""reslora-adapter""#, "version": "1", "structure": #""is""#,
    "blocks": "[\(block()), \(block("b", ["previous": #""a""#]))]",
  ])

  /// The members of a block.
  static func block(_ name: String = "a", _ changes: KeyValuePairs<String, String?> = [:]) -> String
  {
    JSONText(["name": "\"\(name)\"", "scaling": "2"]).changed(changes).text
  }

  /// The description with other members.
  static func text(_ changes: KeyValuePairs<String, String?> = [:]) -> String {
    top.changed(changes).text
  }

  /// The description with a member of block a changed.
  static func text(block key: String, _ value: String?) -> String {
    text(["blocks": "[\(block("a", [key: value]))]"])
  }

  static let hash = String(repeating: "0123456789abcdef", count: 4)

  /// The members of what is known of a base weight.
  static func base(_ changes: KeyValuePairs<String, String?> = [:]) -> String {
    JSONText([
      "tensor": #""a.weight""#, "dtype": #""BF16""#, "shape": "[3, 4]", "sha256": "\"\(hash)\"",
    ]).changed(changes).text
  }

  static func parse(_ text: String, _ check: RuleCheck = .throwing) throws -> AdapterContent? {
    try AdapterContent(parsing: Array(text.utf8), path: path, check: check)
  }

  /// Expects that reading throws exactly this.
  static func expectRefused(
    _ text: String, _ reason: ContentError.Reason, owner: String? = nil, rule: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: ContentError.self, sourceLocation: sourceLocation) {
      try parse(text)
    }
    let expected = ContentError(path: path, owner: owner, rule: rule, reason: reason)
    #expect(error == expected, sourceLocation: sourceLocation)
  }

  /// What a check that collects notes, warnings marked.
  static func violations(_ text: String) throws -> [String] {
    let check = RuleCheck.collecting()
    _ = try parse(text, check)
    return check.violations.map { ($0.severity == .warning ? "warning: " : "") + $0.message }
  }
}
