public import ByteIO

/// Where a page's results come from: what was run, and its result for programs.
public struct ReportSource: Sendable {
  /// The command that gives the same result again; nil where there is none.
  public var command: String?
  /// What made the result, with its version.
  public var program: String
  /// The result as JSON, which the page carries along.
  public var json: JSONValue?

  /// States what is known.
  public init(program: String = "resloratool", command: String? = nil, json: JSONValue? = nil) {
    self.program = program
    self.command = command
    self.json = json
  }
}
