import ArgumentParser
import ByteIO
import Contents
import FoldJobs
import HDF5
import Tensors

/// `validate`: every rule of the Spec that a file breaks.
struct ValidateCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "List every rule of the Spec that a file breaks, with its section.",
    discussion: """
      Adapters and activations are read whole and every checksum is checked. Exit status 1 when a \
      rule is broken; warnings do not count.
      """)

  @Argument(help: "Files or folders.")
  var paths: [String]

  @OptionGroup var common: CommonOptions

  func run() throws {
    var results: [Validation] = []
    var unreadable: [any DiagnosableError] = []
    for path in paths {
      do {
        try FoldJob.checkNotPending([path])
        results.append(
          try Validation(
            path: path, hdf5: .isolated, threads: common.threadCount, progress: Interruption.check))
      } catch let error as any DiagnosableError {
        unreadable.append(error)
      }
    }
    let isValid = unreadable.isEmpty && results.allSatisfy { $0.isValid }
    try common.print(
      .members([
        "valid": .bool(isValid), "files": .array(results.map { json($0) }),
      ]),
      results.map { text($0) }.joined())
    // One file that is not there hides nothing of the others.
    for error in unreadable.dropLast() { StandardError.write("error: \(error.description)\n") }
    if let error = unreadable.last { throw error }
    if !isValid { throw ExitCode(ExitStatus.checkFailed) }
  }

  private func json(_ result: Validation) -> JSONValue {
    .members([
      "path": .string(result.path),
      "format": result.format.map(JSONValue.string) ?? .null,
      "valid": .bool(result.isValid),
      "violations": .array(
        result.violations.map { violation in
          .members([
            "rule": violation.rule.map(JSONValue.string) ?? .null,
            "severity": .string(violation.severity.rawValue),
            "message": .string(violation.message),
          ])
        }),
    ])
  }

  private func text(_ result: Validation) -> String {
    let errors = result.violations.filter { $0.severity == .error }.count
    let verdict =
      result.isValid ? "valid" : errors == 1 ? "1 rule broken" : "\(errors) rules broken"
    var text =
      "\(Style.bold(result.path.escapedForTerminal)): "
      + "\(result.format ?? "not readable"): \(verdict)\n"
    for violation in result.violations {
      let word = violation.severity == .error ? "" : "warning: "
      // Messages of our own rules end with the section already.
      let rule =
        violation.rule.map { violation.message.hasSuffix("[\($0)]") ? "" : " [\($0)]" } ?? ""
      text += "  \(word)\(violation.message)\(rule)\n"
    }
    return text
  }
}
