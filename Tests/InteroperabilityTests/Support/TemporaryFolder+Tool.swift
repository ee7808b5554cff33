import ByteIO
import TestSupport
import Testing

extension TemporaryFolder {
  /// Runs the tool here, which must succeed without a warning.
  @discardableResult
  func tool(
    _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Program.Outcome {
    try tool(arguments, sourceLocation: sourceLocation)
  }

  /// Runs the tool here, which must succeed without a warning.
  @discardableResult
  func tool(
    _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Program.Outcome {
    let outcome = try Tool.run(arguments, in: path)
    try #require(
      outcome.status == 0 && outcome.error.isEmpty,
      "\(arguments.joined(separator: " ")): \(outcome.error)", sourceLocation: sourceLocation)
    return outcome
  }

  /// Expects the tool to find files valid, without a warning.
  func expectValid(
    _ names: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try Tool.run(["validate", "--json"] + names, in: path)
    let json = try outcome.json()
    #expect(
      outcome.status == 0 && json["valid"] == .bool(true), "\(outcome.output)",
      sourceLocation: sourceLocation)
    for file in json["files"]?.array ?? [] {
      #expect(
        file.object?["violations"]?.array?.isEmpty == true, "\(outcome.output)",
        sourceLocation: sourceLocation)
    }
    #expect(json["files"]?.array?.count == names.count, sourceLocation: sourceLocation)
  }

  /// A file's bytes.
  func bytes(_ name: String) throws -> [UInt8] {
    try ReadableFile.contents(of: file(name), limit: 1 << 28)
  }
}
