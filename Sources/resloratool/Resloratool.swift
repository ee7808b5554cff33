import ArgumentParser
import ByteIO
import HDF5
import Tensors

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The command line: `resloratool COMMAND …`.
@main
struct Resloratool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resloratool",
    abstract: "Inspect, merge, fold, verify and convert ResLoRA and LoRA adapters.",
    discussion: """
      A ResLoRA adapter becomes a plain LoRA by 'merge', or goes straight into base weights by \
      'fold'. Formats are detected by content. Every command takes --json.

      Exit status: 0 done and verified; 1 a check failed; 2 usage; 3 bad input data; 4 I/O or \
      resources; 130 or 143 interrupted.
      """,
    version: "0.1.0",
    subcommands: [
      InspectCommand.self, MergeCommand.self, FoldCommand.self, VerifyCommand.self,
      ConvertCommand.self, ValidateCommand.self, DiffCommand.self, PlanCommand.self,
    ])

  static func main() {
    // On Linux they come through /proc; where that fails there are none, which would ask for help.
    if CommandLine.arguments.isEmpty {
      StandardError.write("error: can't read the command line; is /proc there?\n")
      terminate(ExitStatus.of(.resource))
    }
    HDF5Worker.runIfAsked(arguments: CommandLine.arguments)
    Interruption.prepare()
    do {
      var command = try parseAsRoot()
      let limits = (command as? any ReadingCommand)?.common.limits.limits ?? ReadingLimits()
      try ReadingLimits.$current.withValue(limits) { try command.run() }
      terminate(0)
    } catch {
      terminate(report(error))
    }
  }

  /// Says what went wrong, in one line, and gives the exit status for it.
  private static func report(_ error: any Error) -> Int32 {
    switch error {
    case let error as Interruption:
      StandardError.write("interrupted; \(error.remains)\n")
      return 128 + error.number
    case let error as ExitCode: return error.rawValue
    case is StandardOutput.Closed: return 0  // `| head` has what it wanted
    case let error as any DiagnosableError:
      StandardError.write("error: \(error.description)\n")
      return ExitStatus.of(error.failureKind)
    default: return reportUsage(error)
    }
  }

  /// Help and version go to standard output; a usage error is one line.
  private static func reportUsage(_ error: any Error) -> Int32 {
    if exitCode(for: error) == .success {
      do {
        try StandardOutput.write(fullMessage(for: error) + "\n")
        return 0
      } catch {
        return report(error)
      }
    }
    let lines = message(for: error).split(separator: "\n")
    // A long list of values comes as a line each.
    let values = lines.dropFirst().prefix { $0.hasPrefix("  - ") }.map { $0.dropFirst(4) }
    let message =
      lines.first.map { ([String($0)] + [values.joined(separator: ", ")]) }?
      .filter { !$0.isEmpty }.joined(separator: " ") ?? "\(error)"
    let names = configuration.subcommands.map { $0._commandName }
    let command = CommandLine.arguments.dropFirst().first { names.contains($0) }.map { " \($0)" }
    StandardError.write(
      "error: \(message.escapedForTerminal); see 'resloratool\(command ?? "") --help'\n")
    return ExitStatus.usage
  }
}

/// Ends the process; the command's own `exit` hides the library's by that name.
///
/// Without exit handlers: all output is written by then, and OpenBLAS, which has started threads when
/// it was loaded, may wait for them for ever where memory is short.
private func terminate(_ status: Int32) -> Never { _exit(status) }

/// The exit statuses that scripts rely on.
enum ExitStatus {
  static let checkFailed: Int32 = 1
  static let usage: Int32 = 2

  static func of(_ kind: FailureKind) -> Int32 {
    switch kind {
    case .checkFailed: checkFailed
    case .usage: usage
    case .badData: 3
    case .resource: 4
    }
  }
}
