import ArgumentParser
import ByteIO
import Reports
import Tensors

/// Whether a page about the result is written.
struct ReportOptions: ParsableArguments {
  @Option(
    name: .customLong("html"),
    help: ArgumentHelp("Also write a page about the result, complete in itself.", valueName: "file")
  )
  var path: String?

  func validate() throws {
    if path?.isEmpty ?? false { throw ValidationError("--html must not be empty") }
  }

  /// Checks, before any work, that the page can be written: it is no input, not the output nor in it,
  /// and replaces nothing unasked.
  func check(
    output: String?, against inputs: [String?], replacing: Bool
  ) throws {
    guard let path else { return }
    if let output, Paths.absolute(path) == Paths.absolute(output) || Paths.isInside(path, output) {
      throw ValidationError(
        "--html writes a file of its own: name one that is not, nor lies in, the output")
    }
    try OutputOptions.check(path, against: inputs)
    try OutputFile.check(path: path, replacing: replacing)
  }

  /// Writes the page where one was asked for.
  func write(
    replacing: Bool, json: JSONValue, _ html: (ReportSource) -> String
  ) throws {
    guard let path else { return }
    let words = ["resloratool"] + CommandLine.arguments.dropFirst()
    let source = ReportSource(
      program: "resloratool \(Resloratool.configuration.version)",
      command: words.map(\.quotedForShell).joined(separator: " "), json: json)
    try OutputFile.write(Array(html(source).utf8), to: path, replacing: replacing)
  }

  /// What to say of the page; empty where there is none.
  static func text(_ path: String?, isDryRun: Bool) -> String {
    guard let path = path?.escapedForTerminal else { return "" }
    return isDryRun ? "would write the page \(path)\n" : "wrote the page \(path)\n"
  }
}
