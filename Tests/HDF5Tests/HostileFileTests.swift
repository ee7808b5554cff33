import ByteIO
import HDF5
import Tensors
import TestSupport
import Testing

/// Entry 54: files made to crash the library.
@Suite struct HostileFileTests {
  @Test(
    "54: listing and reading them ends in time, in an ordinary error or none",
    .enabled(
      if: TestFiles.hostileHDF5 != nil,
      "../shared/data/hostile-hdf5 is not there, or the address sanitizer runs"),
    arguments: TestFiles.hostileHDF5?.names ?? [])
  func hostile(_ name: String) throws {
    let folder = try #require(TestFiles.hostileHDF5?.folder)
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
