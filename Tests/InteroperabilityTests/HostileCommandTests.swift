import ByteIO
import TestSupport
import Testing

/// Files made to crash HDF5 programs, given to the command line. None of them is an adapter.
@Suite struct HostileCommandTests {
  private let folder = TemporaryFolder()

  @Test(
    "inspect, validate and convert refuse them in one line and in time, and create nothing",
    .enabled(if: TestFiles.hostileHDF5 != nil, "../shared/data/hostile-hdf5 is not there"),
    arguments: TestFiles.hostileHDF5?.names ?? [])
  func refused(_ name: String) throws {
    let path = "\(try #require(TestFiles.hostileHDF5?.folder))/\(name)"
    for arguments in [["inspect", path], ["convert", path, "out.reslora"]] {
      let outcome = try timed(arguments)
      #expect(outcome.status == 3)
      #expect(outcome.output.isEmpty)
      #expect(outcome.error.hasPrefix("error: "), "\(outcome.error)")
      #expect(outcome.error.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
      #expect(!outcome.error.utf8.dropLast().contains { $0 < 0x20 || $0 == 0x7f })
    }
    let validated = try timed(["validate", "--json", path])
    #expect(validated.status == 1)
    #expect(validated.error.isEmpty)
    #expect(try validated.json()["valid"] == .bool(false))
    #expect(folder.entries.isEmpty)
  }

  /// A run that ends by itself within the 30 s that a file is given, and some for a busy machine.
  private func timed(_ arguments: [String]) throws -> Program.Outcome {
    let start = ContinuousClock.now
    let outcome = try Tool.run(arguments, in: folder.path)
    #expect(!outcome.isSignal, "\(arguments[0])")
    #expect(ContinuousClock.now - start < .seconds(40), "\(arguments[0])")
    return outcome
  }
}
