internal import ByteIO

/// What a plan gave the output's name: a file of it, noted in the plan before it gets the name, by what
/// it keeps when it is renamed (Plans §1).
package enum Publication {
  private static let fileName = "published.json"

  /// Notes what is about to get the output's name, or has it.
  ///
  /// - Parameters:
  ///   - file: a file of it, where the output is a folder.
  ///   - place: where the output is now.
  /// - Throws: `FileError`, `SystemError`.
  package static func note(_ file: String?, of place: String, in plan: String) throws {
    let text = JSONValue.members([
      "file": file.map(JSONValue.string),
      "identity": try Paths.identity(of: path(file, of: place)).map(JSONValue.string),
    ]).serialized()
    try OutputFile.write(
      Array((text + "\n").utf8), to: Paths.join(plan, fileName), replacing: true)
  }

  /// Whether what has the output's name is what a plan noted.
  static func isMade(_ output: String, by plan: String) throws -> Bool {
    guard let text = try? ReadableFile.contents(of: Paths.join(plan, fileName), limit: 1 << 16),
      let noted = (try? JSONValue(parsing: text))?.object,
      let identity = try Paths.identity(of: path(noted["file"]?.string, of: output))
    else { return false }
    return noted["identity"]?.string == identity
  }

  private static func path(_ file: String?, of place: String) -> String {
    file.map { Paths.join(place, $0) } ?? place
  }
}

extension PlannedJob {
  /// Whether the output has its name, and is what this plan made.
  ///
  /// - Throws: `SystemError`.
  public func isPublished(by plan: String) throws -> Bool {
    try Publication.isMade(output, by: plan)
  }

  /// Does something unless the job is at its end. An end that another machine brought meanwhile, and
  /// that took the work folder away, is no failure.
  ///
  /// - Returns: nil where the end has come.
  /// - Throws: `PlanError.foreignOutput` where the output's name is taken; what `body` throws.
  package func unlessPublished<Value>(
    by plan: String, replacing: Bool, _ body: () throws -> Value?
  ) throws -> Value? {
    if try isPublished(by: plan) { return nil }
    try checkOutput(replacing: replacing)
    do {
      return try body()
    } catch {
      if (try? isPublished(by: plan)) == true { return nil }
      throw error
    }
  }

  /// Checks that nothing else has the output's name.
  ///
  /// - Throws: `PlanError.foreignOutput`.
  package func checkOutput(replacing: Bool) throws {
    if !replacing, try Paths.kind(of: output) != .absent {
      throw PlanError.foreignOutput(path: output)
    }
  }
}
