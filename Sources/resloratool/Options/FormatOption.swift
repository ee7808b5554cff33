public import Adapters
public import ArgumentParser
import ByteIO
public import ResLoRAContainer

extension AdapterOutputFormat: ExpressibleByArgument {
  /// The format of an identifier.
  public init?(argument: String) { self.init(identifier: argument) }

  /// What help lists.
  public static var allValueStrings: [String] { all.map(\.identifier) }
}

extension ContainerCompression: ExpressibleByArgument {}

/// How an adapter that is written is stored.
struct FormatOption: ParsableArguments {
  @Option(
    name: [.customLong("to"), .customLong("layout")],
    help: ArgumentHelp(
      "How to store the result (default: by the output's extension).",
      valueName: AdapterOutputFormat.allValueStrings.joined(separator: "|")))
  var format: AdapterOutputFormat?

  @Option(
    help: ArgumentHelp(
      "What chunks of a .reslora are compressed with (default: auto).",
      valueName: ContainerCompression.allValueStrings.joined(separator: "|")))
  var compression: ContainerCompression?

  /// The format that was asked for, or that of the output's extension.
  func format(for output: String) -> AdapterOutputFormat? {
    format ?? AdapterOutputFormat(fileExtension: Paths.fileExtension(of: output))
  }

  /// Refuses a compression for what is no container, in which it would mean nothing.
  func checkCompression(for format: AdapterOutputFormat?) throws {
    guard compression != nil, format?.identifier != AdapterOutputFormat.reslora.identifier else {
      return
    }
    throw ValidationError("--compression is for .reslora files, and the output is none")
  }

  func writeOptions(_ target: OutputOptions, _ common: CommonOptions, _ bar: ProgressBar)
    -> WriteOptions
  {
    WriteOptions(
      replacing: target.force, compression: compression ?? .automatic, threads: common.threadCount,
      progress: { try bar.update($0, of: $1) })
  }
}
