public import Adapters
public import ArgumentParser
import FoldJobs
import HDF5

extension RootRule: ExpressibleByArgument {}

/// The adapter and what is stated beside it.
struct AdapterOptions: ParsableArguments {
  @OptionGroup var stated: StatedOptions

  @Option(
    name: [.customLong("topology"), .customLong("topology-file")],
    help: ArgumentHelp("Which block follows which (JSON).", valueName: "file"))
  var topology: String?

  var windows: String? { stated.windows }

  /// Whether anything is stated.
  var areGiven: Bool {
    topology != nil || stated.windows != nil || stated.root != nil || stated.preNum != nil
  }

  /// What is stated, for a fold.
  var requested: FoldRequest.Stated {
    var result = FoldRequest.Stated()
    result.windows = windows
    result.topology = topology
    result.root = stated.root
    result.reach = stated.preNum.flatMap { PredecessorCount($0) }
    return result
  }

  /// Reads the files and collects the overrides.
  func overrides() throws -> AdapterOverrides { try stated.overrides(topology: topology) }
}

/// What is stated beside an adapter, the topology aside: `inspect` has another use for that word.
struct StatedOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Norm windows kept beside the adapter: JSON, HDF5, or another adapter's.", valueName: "file"))
  var windows: String?

  @Option(help: "What the root of an input-shortcut chain takes for its missing predecessor.")
  var root: RootRule?

  @Option(
    name: .customLong("pre-num"), parsing: .unconditional,
    help: ArgumentHelp("How many predecessors bs and ms reach back to; -1: all.", valueName: "n"))
  var preNum: Int?

  func validate() throws {
    if let preNum, PredecessorCount(preNum) == nil {
      throw ValidationError("--pre-num must be -1 or more")
    }
  }

  func overrides(topology: String?) throws -> AdapterOverrides {
    AdapterOverrides(
      topology: try topology.map { try TopologyFile(path: $0) }, root: root,
      reach: preNum.flatMap { PredecessorCount($0) },
      windows: try windows.map { try WindowsFile(path: $0, hdf5: .isolated) })
  }
}
