import Adapters
import ArgumentParser
import ByteIO

/// `inspect`: what is in a file or folder.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what is in an adapter or checkpoint, in any format.")

  @Argument(help: "Files or folders.")
  var paths: [String]

  @OptionGroup var adapter: AdapterOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let overrides = try adapter.overrides()
    let descriptions = try paths.map { path in
      try Interruption.check()
      let description: any InspectDescription =
        switch try PathContent(path: path, overrides: overrides) {
        case .adapter(let adapter): try AdapterDescriptionOutput(path, adapter)
        case .checkpoint(let checkpoint): CheckpointDescriptionOutput(path, checkpoint)
        }
      common.warn(description.warnings)
      return description
    }
    try common.print(
      descriptions.count == 1
        ? descriptions[0].json : .members(["files": .array(descriptions.map(\.json))]),
      descriptions.map(\.text).joined(separator: "\n"))
  }
}

/// What `inspect` shows of one path.
protocol InspectDescription {
  var json: JSONValue { get }
  var text: String { get }
  var warnings: [String] { get }
}
