import ByteIO
import TestSupport
import Testing

/// A bad input as the command line meets it: what lies in a folder, what a user types there, and
/// what must come of it.
struct HostileCase: Sendable, CustomTestStringConvertible {
  /// The number in the catalogue; nil for its section on numbers that are none.
  let entry: Int?
  /// What is wrong, in a few words.
  let title: String
  /// Makes the input in a folder that holds a good `adapter` and `base.safetensors` already.
  let prepare: @Sendable (TemporaryFolder) throws -> Void
  /// What is typed, one after the other.
  let runs: [HostileRun]

  init(
    _ entry: Int?, _ title: String, _ runs: [HostileRun],
    prepare: @escaping @Sendable (TemporaryFolder) throws -> Void
  ) {
    self.entry = entry
    self.title = title
    self.prepare = prepare
    self.runs = runs
  }

  var testDescription: String { "\(entry.map { "\($0)" } ?? "numbers"): \(title)" }
}

/// One command, and all that may come of it.
struct HostileRun: Sendable {
  let arguments: [String]
  let status: Int32
  /// Standard error, whole, without the last line end.
  let error: String
  /// What is in the folder afterwards that was not before.
  var creates: [String] = []
  /// What it finds in its environment besides.
  var environment: [String: String] = [:]
  /// The address space it may use, in bytes. A run on ordinary input takes about 250 MB.
  var memory = HostileRun.ordinaryMemory
  /// What must be true of the output.
  var check: @Sendable (Program.Outcome) throws -> Void = { #expect($0.output.isEmpty) }

  static let ordinaryMemory = 512 << 20

  /// A refusal: one line.
  static func refused(_ arguments: [String], _ line: String, status: Int32 = 3) -> HostileRun {
    HostileRun(arguments: arguments, status: status, error: "error: \(line)")
  }

  /// A file that breaks rules, all of which `validate` lists.
  static func invalid(_ name: String, _ messages: [String]) -> HostileRun {
    HostileRun(arguments: ["validate", "--json", name], status: 1, error: "") { outcome in
      let file = try #require(try outcome.json()["files"]?.array?.first?.object)
      #expect(file["valid"] == .bool(false))
      let violations = (file["violations"]?.array ?? []).map(\.object)
      #expect(violations.map { $0?["message"]?.string } == messages)
    }
  }

  /// An input that is taken, with a look at what is said of it.
  static func accepted(
    _ arguments: [String], warning: String = "", creates: [String] = [],
    check: @escaping @Sendable (Program.Outcome) throws -> Void = { _ in }
  ) -> HostileRun {
    HostileRun(arguments: arguments, status: 0, error: warning, creates: creates, check: check)
  }

  /// The same run within another memory.
  func within(memory: Int) -> HostileRun {
    var copy = self
    copy.memory = memory
    return copy
  }
}
