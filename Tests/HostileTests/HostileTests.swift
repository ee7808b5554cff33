import ByteIO
import Foundation
import TestSupport
import Testing

/// Every entry of the catalogue of bad inputs, given to the command line.
///
/// The tables are the catalogue: numbers 1 to 93, and a section on numbers that are none. Of every
/// run are asserted the exit status, the exact text on standard error, that a refusal is one line of
/// printable characters, that no signal ended it, that inputs are as before and nothing was created
/// but what is said, and that time and memory are bounded. Bad files are made when they are needed.
@Suite struct HostileTests {
  static let cases: [HostileCase] =
    SafetensorsEntries.all + IndexEntries.all + HDF5Entries.all + TorchEntries.all
    + ConfigEntries.all + ContainerEntries.all

  // TEMPORARY
  static var some: [HostileCase] {
    guard let list = ProcessInfo.processInfo.environment["HOSTILE"] else { return cases }
    let set = Set(list.split(separator: ",").map(String.init))
    return cases.filter { set.contains($0.entry.map { "\($0)" } ?? "n") }
  }
  @Test("a bad input is refused in one line and does nothing", arguments: some)
  func run(_ test: HostileCase) throws {
    let folder = TemporaryFolder()
    try HostileTests.addGoodInputs(to: folder)
    try test.prepare(folder)
    for run in test.runs {
      let command = run.arguments.joined(separator: " ")
      let before = try Snapshot(of: folder.path)
      let outcome = try Confined.run(run, in: folder.path)
      #expect(!outcome.isSignal, "\(command): signal \(outcome.status)")
      #expect(outcome.status == run.status, "\(command)")
      #expect(outcome.error == (run.error.isEmpty ? "" : run.error + "\n"), "\(command)")
      if run.status > 1 { HostileTests.expectOneLine(outcome.error, command) }
      try #expect(Snapshot(of: folder.path).difference(from: before) == run.creates, "\(command)")
      try run.check(outcome)
    }
  }

  @Test("every entry of the catalogue has a case")
  func complete() {
    let numbers = HostileTests.cases.compactMap(\.entry)
    #expect(Set(numbers) == Set(1...93))
    #expect(HostileTests.cases.contains { $0.entry == nil })
    let runs = HostileTests.cases.reduce(0) { $0 + $1.runs.count }
    print("hostile inputs: \(HostileTests.cases.count) cases, \(runs) runs")
  }

  /// `adapter` and `base.safetensors`, which fit each other.
  private static func addGoodInputs(to folder: TemporaryFolder) throws {
    for name in ["adapter", "base.safetensors"] {
      try FileManager.default.copyItem(
        atPath: TestFiles.fixture("synthetic/plain/\(name)"), toPath: folder.file(name))
    }
  }

  /// One line that begins as it should and can't steer a terminal.
  private static func expectOneLine(_ error: String, _ command: String) {
    #expect(error.hasPrefix("error: ") && error.hasSuffix("\n"), "\(command): \(error)")
    #expect(
      !error.unicodeScalars.dropLast().contains {
        [.control, .format, .lineSeparator, .paragraphSeparator]
          .contains($0.properties.generalCategory)
      }, "\(command): \(error)")
  }
}
