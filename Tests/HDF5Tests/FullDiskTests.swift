import ByteIO
import Foundation
import HDF5
import Tensors
import TestSupport
import Testing

/// A disk that fills up while a file is written.
///
/// Needs a small file system, which only root can make; elsewhere the test says so and is skipped.
@Suite struct FullDiskTests {
  private final class SmallDisk {
    let folder = TemporaryFolder()

    init?(size: String) {
      guard SmallDisk.run("mount", "-t", "tmpfs", "-o", "size=\(size)", "tmpfs", folder.path)
      else { return nil }
    }

    deinit { _ = SmallDisk.run("umount", folder.path) }

    static func run(_ arguments: String...) -> Bool {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = arguments
      process.standardError = FileHandle.nullDevice
      return (try? process.run()).map {
        process.waitUntilExit()
        return process.terminationStatus == 0
      } ?? false
    }
  }

  @Test(
    "a full disk is an ordinary error and leaves nothing",
    .enabled("only root can make a file system of a chosen size") { SmallDisk(size: "8k") != nil },
    arguments: [8, 16, 64, 256, 700])
  func full(_ kibibytes: Int) throws {
    let disk = try #require(SmallDisk(size: "\(kibibytes)k"))
    let path = disk.folder.file("x.h5")
    let source = try MemoryTensorSource.random([("x", .f32, [1000, 300])])
    for threads in [1, 2] {
      let error = #expect(throws: SystemError.self) {
        try HDF5Writer.write(to: path, replacing: false, threads: threads) { root in
          for number in 0..<40 {
            try root.group("group \(number)") { group in
              try group.attribute("a", .string(String(repeating: "x", count: 300)))
            }
          }
          try root.dataset("x", from: TensorReference(source: source, index: 0))
        }
      }
      #expect(error == SystemError(operation: "write", path: path, code: ENOSPC))
      #expect(disk.folder.entries == [])
    }
    // The library still works.
    let other = TemporaryFolder()
    try HDF5Writer.write(to: other.file("y.h5"), replacing: false) { root in
      try root.dataset("x", from: TensorReference(source: source, index: 0))
    }
  }
}
