import TestSupport
import Testing

/// The first of the synthetic adapters, in a folder of its own.
func basic() throws -> TemporaryFolder {
  try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
}

/// Runs the tool, which must succeed.
@discardableResult
func succeed(
  _ arguments: [String], in folder: TemporaryFolder,
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Tool.Outcome {
  let outcome = try Tool.run(arguments, in: folder.path)
  #expect(outcome.status == 0, "\(outcome.error)", sourceLocation: sourceLocation)
  return outcome
}
