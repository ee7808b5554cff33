import ByteIO
import FormatTestSupport
import TestSupport
import Testing
import TorchCheckpoint

/// Item 71 of the robustness list: formats are told by content.
struct FileFormatTests {
  private let folder = TemporaryFolder()
  private static let checkpoint = TestCheckpoint(["x": TorchTensor(.counting(to: 2), [2])]).zip
    .build()

  /// PyTorch's old format begins with its magic number, pickled.
  private static let legacy: [UInt8] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]

  private static let tar: [UInt8] =
    [UInt8](repeating: 0, count: 257) + Array("ustar\u{0}00".utf8)
    + [UInt8](repeating: 0, count: 1000)

  private func otherZip(_ name: String) -> [UInt8] {
    var zip = ZipBuilder()
    zip.add(name, [1])
    return zip.build()
  }

  @Test("71: legacy pickles are recognised and refused with advice")
  func item71Pickle() throws {
    let pickles = [
      FileFormatTests.legacy + [0x80, 2, 0x4d, 0xe9, 3, 0x2e],
      [0x80, 4, 0x95, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x7d, 0x2e],
      [0x80, 2, 0x7d, 0x71, 0, 0x28, 0x58, 1, 0, 0, 0],
    ]
    for pickle in pickles {
      let path = try folder.write(pickle, to: "old.bin")
      #expect(try TorchFileFormat.of(path) == .rawPickle)
      #expect(try !TorchCheckpoint.isTorchArchive(path: path))
      #expect(throws: TorchCheckpointError.legacyFormat(path: path, found: .rawPickle)) {
        try TorchCheckpoint(path: path)
      }
    }
    #expect(
      "\(TorchCheckpointError.legacyFormat(path: "old.bin", found: .rawPickle))"
        == "old.bin: a pickle outside a zip archive, as PyTorch wrote before 1.6, is not read; load "
        + "it with PyTorch and save it again with torch.save of 1.6 or later, or with safetensors")
  }

  @Test("71: tar archives are recognised and refused with advice")
  func item71Tar() throws {
    let path = try folder.write(FileFormatTests.tar, to: "older.bin")
    #expect(try TorchFileFormat.of(path) == .tar)
    #expect(throws: TorchCheckpointError.legacyFormat(path: path, found: .tar)) {
      try TorchCheckpoint(path: path)
    }
  }

  @Test("71: a safetensors header of 640 bytes begins like a pickle and is none")
  func item71Safetensors() throws {
    for length in [640, 0x8a_0280, 0x5f0_0280] as [UInt64] {
      let file = little(length) + Array("{".utf8)
      #expect(try TorchFileFormat.of(folder.write(file, to: "model.safetensors")) == nil)
    }
  }

  @Test("A checkpoint under any name, damaged or not")
  func archive() throws {
    for name in ["model.pt", "model.safetensors", "model"] {
      let path = try folder.write(FileFormatTests.checkpoint, to: name)
      #expect(try TorchCheckpoint.isTorchArchive(path: path))
      #expect(try TorchFileFormat.of(path) == .archive)
    }
    let cut = try folder.write(FileFormatTests.checkpoint.prefix(100), to: "cut")
    #expect(try TorchCheckpoint.isTorchArchive(path: cut))

    var zip = ZipBuilder()
    zip.add("model/byteorder", [])
    zip.add("model/data.pkl", [])
    let late = try folder.write(zip.build(), to: "late")
    #expect(try TorchCheckpoint.isTorchArchive(path: late))
  }

  @Test("Files that are no checkpoints")
  func others() throws {
    let others: [[UInt8]] = [
      [], [0x50], [0x80, 2], Array("PK\u{3}\u{4}".utf8), Array("not a checkpoint".utf8),
      otherZip("word/document.xml"), otherZip("data.pkl"), otherZip("a/b/data.pkl"),
      ZipBuilder().build(),
    ]
    for (index, other) in others.enumerated() {
      let path = try folder.write(other, to: "\(index)")
      #expect(try TorchFileFormat.of(path) == nil)
      #expect(try !TorchCheckpoint.isTorchArchive(path: path))
      let error: TorchCheckpointError =
        !other.starts(with: Array("PK".utf8))
        ? .notACheckpoint(path: path)
        : other.count == 4 ? .archive(path: path, .noEndRecord) : .noPickle(path: path)
      #expect(throws: error) { try TorchCheckpoint(path: path) }
    }
  }

  @Test("Folders and files that are not there are errors of the system")
  func notFiles() {
    #expect(throws: FileError.notARegularFile(path: folder.path)) {
      try TorchCheckpoint(path: folder.path)
    }
    #expect(throws: SystemError(operation: "open", path: folder.file("none"), code: 2)) {
      try TorchCheckpoint.isTorchArchive(path: folder.file("none"))
    }
  }
}
