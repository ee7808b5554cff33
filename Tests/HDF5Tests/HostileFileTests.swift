import ByteIO
import Foundation
import HDF5
import Tensors
import TestSupport
import Testing

/// Entry 54: files made to crash the library.
@Suite struct HostileFileTests {
  private static let folder: String? = {
    if let shared = ProcessInfo.processInfo.environment["RESLORA_SHARED"] {
      return "\(shared)/hostile-hdf5"
    }
    return TestFiles.shared("data/hostile-hdf5")
  }()

  private static let files: [String] =
    (folder.flatMap { try? Paths.entries(of: $0) } ?? []).filter { !$0.hasSuffix(".md") }

  @Test(
    "54: listing and reading them ends in time, in an ordinary error or none",
    .enabled(if: !files.isEmpty, "../shared/data/hostile-hdf5 is not there"), arguments: files)
  func hostile(_ name: String) throws {
    let folder = try #require(HostileFileTests.folder)
    let start = ContinuousClock.now
    do {
      let file = try HDF5File(
        path: "\(folder)/\(name)", reading: Worker.reading { $0.seconds = 10 })
      for dataset in file.root.allDatasets {
        guard let info = try? dataset.info(name: "x") else { continue }
        do {
          try dataset.locate()
          if info.byteCount < 1 << 24 { _ = try dataset.values() }
        } catch is HDF5Error {}
      }
    } catch let error as HDF5Error {
      #expect(!error.description.contains("\n"))
      #expect(error.failureKind == .badData)
    }
    #expect(ContinuousClock.now - start < .seconds(20))
  }
}
