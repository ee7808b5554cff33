public import Adapters
public import ArgumentParser

extension RootRule: ExpressibleByArgument {}

/// The adapter and what is stated beside it.
struct AdapterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Norm windows kept beside the adapter (JSON).", valueName: "file"))
  var windows: String?

  @Option(help: "What the root of an input-shortcut chain takes for its missing predecessor.")
  var root: RootRule?

  @Option(
    name: .customLong("pre-num"), parsing: .unconditional,
    help: ArgumentHelp("How many predecessors bs and ms reach back to; -1: all.", valueName: "n"))
  var preNum: Int?

  @Option(help: ArgumentHelp("Which block follows which (JSON).", valueName: "file"))
  var topology: String?

  func validate() throws {
    if let preNum, PredecessorCount(preNum) == nil {
      throw ValidationError("--pre-num must be -1 or more")
    }
  }

  /// Reads the files and collects the overrides.
  func overrides() throws -> AdapterOverrides {
    AdapterOverrides(
      topology: try topology.map { try TopologyFile(path: $0) }, root: root,
      reach: preNum.flatMap { PredecessorCount($0) },
      windows: try windows.map { try WindowsFile(path: $0) })
  }
}
