import Activations
import Adapters
import ArgumentParser
import ByteIO
import Contents
import FoldJobs
import HDF5
import Tensors

/// `inspect`: what is in a file or folder.
struct InspectCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract:
      "Show what is in an adapter, a checkpoint, activations or norm windows, in any format."
  )

  @Argument(help: "Files or folders.")
  var paths: [String]

  @Flag(help: "List the tensors as they are stored.")
  var tensors = false

  @Flag(help: "List the tensors with smallest, largest and mean element, deviation and norm.")
  var stats = false

  @Flag(help: "Draw which block follows which.")
  var topology = false

  @Option(
    name: .customLong("topology-file"),
    help: ArgumentHelp("Which block follows which (JSON).", valueName: "file"))
  var topologyFile: String?

  @OptionGroup var stated: StatedOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    try FoldJob.checkNotPending(paths)
    let overrides = try stated.overrides(topology: topologyFile)
    let descriptions = try paths.map { path in
      try Interruption.check()
      let description: any InspectDescription =
        switch try PathContent(path: path, overrides: overrides, hdf5: .isolated) {
        case .adapter(let adapter):
          try AdapterDescription(
            path, adapter, try listing { (try adapter.storedTensors(), adapter.tensorFiles) },
            drawsTopology: topology)
        case .updates(let updates):
          UpdatesDescription(
            path, updates,
            try listing {
              (
                updates.tensors,
                updates.tensors.tensors.map { _ in Paths.name(of: updates.tensors.label) }
              )
            })
        case .checkpoint(let checkpoint):
          CheckpointDescription(
            path, checkpoint,
            try TensorListing(
              checkpoint.source, files: checkpoint.files, withStatistics: stats, common))
        case .activations(let file):
          ActivationsDescription(
            path, file,
            try listing { (file.matrices, file.matrices.tensors.map { _ in Paths.name(of: path) }) }
          )
        case .windows(let file): WindowsDescription(path, file)
        }
      common.warn(description.warnings)
      return description
    }
    try common.print(
      descriptions.count == 1
        ? descriptions[0].json : .members(["files": .array(descriptions.map { $0.json })]),
      descriptions.map { $0.text }.joined(separator: "\n"))
  }
}

extension InspectCommand {
  /// The tensors of one file or folder, where they were asked for.
  private func listing(
    _ tensors: () throws -> (source: any TensorSource, files: [String])
  ) throws -> TensorListing? {
    guard self.tensors || stats else { return nil }
    let (source, files) = try tensors()
    return try TensorListing(source, files: files, withStatistics: stats, common)
  }
}

/// What `inspect` shows of one path.
protocol InspectDescription {
  var json: JSONValue { get }
  var text: String { get }
  var warnings: [String] { get }
}

extension InspectDescription {
  var warnings: [String] { [] }
}
