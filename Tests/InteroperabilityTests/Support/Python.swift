import ByteIO
import Foundation
import TestSupport
import Testing

/// The Python package of `Spec/python`, which shares no code with this one.
enum Python {
  /// The interpreter it is installed for; `Tests/python.sh` makes one.
  static let interpreter = ProcessInfo.processInfo.environment["RESLORA_PYTHON"]

  /// Runs where there is an interpreter.
  static let isThere: ConditionTrait = .enabled(
    if: interpreter != nil, "RESLORA_PYTHON names no interpreter; Tests/python.sh makes one")

  /// Runs commands of `python -m reslora_formats` in one process; gives the lines they print.
  @discardableResult
  static func batch(_ commands: [[String]], in folder: TemporaryFolder) throws -> [String] {
    let lines = commands.map {
      JSONValue.array($0.map(JSONValue.string)).serialized() + "\n"
    }
    return try run(["-m", "reslora_formats", "batch"], in: folder, input: lines.joined())
  }

  /// What files hold, in one line of canonical JSON for each.
  static func dump(_ names: [String], in folder: TemporaryFolder) throws -> [String] {
    try batch([["dump", "--compact"] + names], in: folder)
  }

  /// Runs a command of `reference.py`.
  static func reference(_ arguments: [String], in folder: TemporaryFolder) throws -> [String] {
    let script = "\(TestFiles.root)/Tests/InteroperabilityTests/reference.py"
    return try run([script] + arguments, in: folder)
  }

  /// Runs lines of Python; gives the lines they print.
  static func script(_ text: String, in folder: TemporaryFolder) throws -> [String] {
    try run(["-c", text], in: folder)
  }

  private static func run(
    _ arguments: [String], in folder: TemporaryFolder, input: String? = nil
  ) throws -> [String] {
    let outcome = try Program(
      #require(interpreter), arguments, in: folder.path, input: input
    ).wait()
    try #require(outcome.status == 0, "\(outcome.error)")
    // A CR LF is one character, but our lines may hold a CR only escaped.
    return outcome.output.split(separator: "\n").map(String.init)
  }
}
