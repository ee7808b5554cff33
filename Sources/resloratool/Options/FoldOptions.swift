public import ArgumentParser
import ByteIO
import FoldJobs
public import Folding
import Tensors

extension Fold.Verification: ExpressibleByArgument {}

/// What `fold` alone is asked.
struct FoldOptions: ParsableArguments {
  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "Another adapter, with the weight of its delta; may be repeated, and deltas are added in order.",
      valueName: "path=weight"))
  var more: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Multiply all deltas by this.", valueName: "factor"))
  var scale = 1.0

  @Flag(name: .customLong("allow-unmatched"), help: "Leave out what has no base weight.")
  var allowsUnmatched = false

  @Option(
    name: .customLong("max-shard-size"),
    help: ArgumentHelp(
      "Cut the output into shards of at most this size: 5GB, 500MB.", valueName: "size"))
  var maxShardSize: ByteSize?

  @Option(help: "Confirm one row of every tile in float64, or every row.")
  var verify = Fold.Verification.sample

  @Option(help: ArgumentHelp("How folded elements are rounded.", valueName: "nearest|stochastic"))
  var rounding = RoundingChoice.nearest

  @Option(help: ArgumentHelp("The seed of stochastic rounding (default: 0).", valueName: "n"))
  var seed: UInt64?

  @Flag(
    name: .customLong("no-provenance"),
    help: "Do not say in the output's metadata what was folded into it.")
  var omitsProvenance = false

  @Option(
    help: ArgumentHelp(
      "Write what is needed to take the fold back to the byte: a compressed difference.",
      valueName: "file"))
  var undo: String?

  @Option(
    name: .customLong("undo-from"),
    help: ArgumentHelp(
      "Take a fold back: --into FOLDED -o BASE, proved by hash.", valueName: "file"))
  var undoFrom: String?

  @Flag(
    name: .customLong("in-place"),
    help: "Overwrite the base's weights, under a journal: a crash loses nothing.")
  var isInPlace = false

  enum RoundingChoice: String, ExpressibleByArgument, CaseIterable {
    case nearest, stochastic
  }

  func validate() throws {
    guard scale.isFinite else { throw ValidationError("--scale must be finite") }
    if seed != nil, rounding == .nearest {
      throw ValidationError("--seed is for --rounding stochastic")
    }
  }

  /// Whether anything is asked that decides the result, beside paths.
  var statesSettings: Bool {
    scale != 1 || allowsUnmatched || maxShardSize != nil || verify != .sample
      || rounding != .nearest || omitsProvenance
  }

  var foldRounding: FoldRounding {
    rounding == .nearest ? .nearest : .stochastic(seed: seed ?? 0)
  }

  /// The adapters in the order in which they are named.
  func adapters(first: String?) throws -> [FoldRequest.AdapterChoice] {
    try [first].compactMap { $0 }.map { FoldRequest.AdapterChoice(path: $0) }
      + more.map(FoldOptions.choice)
  }

  /// `PATH=0.7`; a path may have an equals sign of its own.
  private static func choice(_ text: String) throws -> FoldRequest.AdapterChoice {
    guard let sign = text.lastIndex(of: "="), try Paths.kind(of: text) == .absent else {
      return FoldRequest.AdapterChoice(path: text)
    }
    let weight = String(text[text.index(after: sign)...])
    guard let number = Double(weight), number.isFinite else {
      throw ValidationError(
        "--adapter \(text): the weight is no number (found '\(weight)', expected PATH=0.7)")
    }
    return FoldRequest.AdapterChoice(path: String(text[..<sign]), weight: number)
  }
}
