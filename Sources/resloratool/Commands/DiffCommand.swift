import Adapters
import ArgumentParser
import ByteIO
import Comparing
import Contents
import FoldJobs
import Tensors

/// `diff`: two sets of tensors, tensor by tensor, and what is said of two adapters.
struct DiffCommand: ReadingCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two adapters or checkpoints tensor by tensor.",
    discussion: """
      Elements count as equal when |a − b| ≤ atol + rtol · |b|. Of two adapters, links, scalings, \
      norm windows and all else that their files say are compared too. Exit status 1 when the two \
      differ.
      """)

  @Argument(help: "A file or folder.")
  var a: String

  @Argument(help: "The file or folder to compare with.")
  var b: String

  @Option(help: ArgumentHelp("Absolute tolerance.", valueName: "x"))
  var atol: Double = 0

  @Option(help: ArgumentHelp("Relative tolerance.", valueName: "x"))
  var rtol: Double = 0

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if !(atol >= 0) || !(rtol >= 0) { throw ValidationError("tolerances must be 0 or more") }
  }

  func run() throws {
    try FoldJob.checkNotPending([a, b])
    let (one, two) = (
      try InputProbe(path: a, hdf5: .isolated), try InputProbe(path: b, hdf5: .isolated)
    )
    let comparison = try TensorComparison(
      StoredTensors.open(one), StoredTensors.open(two),
      tolerance: .init(absolute: atol, relative: rtol), threads: common.threadCount,
      progress: Interruption.check)
    let said = descriptionDifferences(one, two)
    let isEqual = comparison.isEqual && said.isEmpty
    try common.print(json(comparison, said, isEqual), text(comparison, said, isEqual))
    if !isEqual { throw ExitCode(ExitStatus.checkFailed) }
  }

  /// What is said of one adapter and not of the other; nothing where either is none, or one of a
  /// kind of which only the tensors can be read.
  private func descriptionDifferences(_ one: InputProbe, _ two: InputProbe) -> [String] {
    guard case .adapter(let one)? = try? PathContent(one),
      case .adapter(let two)? = try? PathContent(two)
    else { return [] }
    return one.descriptionDifferences(from: two)
  }

  private func json(
    _ comparison: TensorComparison, _ said: [String], _ isEqual: Bool
  ) -> JSONValue {
    .members([
      "equal": .bool(isEqual),
      "tensors": .array(
        comparison.differences.map { difference in
          .members([
            "name": .string(difference.name.string),
            "max_abs": difference.maximumAbsolute.map(JSONValue.double) ?? .null,
            "max_rel": difference.maximumRelative.map(JSONValue.double) ?? .null,
            "ulp": difference.ulp.map(JSONValue.integer) ?? .null,
            "equal": .bool(difference.isEqual),
            "mismatch": difference.mismatch.map(JSONValue.string),
          ])
        }),
      "only_in_a": .array(comparison.onlyInFirst.map { .string($0.string) }),
      "only_in_b": .array(comparison.onlyInSecond.map { .string($0.string) }),
      "descriptions": .array(said.map(JSONValue.string)),
    ])
  }

  private func text(
    _ comparison: TensorComparison, _ said: [String], _ isEqual: Bool
  ) -> String {
    var table = Table([
      ("tensor", .left), ("max |a−b|", .right), ("max rel", .right), ("ulp", .right), ("", .left),
    ])
    let shown = comparison.differences.filter {
      !$0.isEqual || $0.maximumAbsolute ?? 0 != 0 || $0.mismatch != nil
    }
    for difference in shown {
      table.append([
        difference.name.description, difference.maximumAbsolute.map(Format.number) ?? "-",
        difference.maximumRelative.map(Format.number) ?? "-", difference.ulp.map { "\($0)" } ?? "-",
        difference.mismatch ?? (difference.isEqual ? "within tolerance" : "differs"),
      ])
    }
    let same = comparison.differences.count - shown.count
    let only =
      comparison.onlyInFirst.map { "only in \(a.escapedForTerminal): \($0)\n" }
      + comparison.onlyInSecond.map { "only in \(b.escapedForTerminal): \($0)\n" }
    let descriptions = said.map { "differs: \($0.escapedForTerminal)\n" }
    return (shown.isEmpty ? "" : table.text) + only.joined() + descriptions.joined()
      + "\(same) tensors equal element by element, \(shown.count) not; "
      + (isEqual ? "equal within the tolerance\n" : "not equal\n")
  }
}
