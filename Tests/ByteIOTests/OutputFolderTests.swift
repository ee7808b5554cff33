import ByteIO
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct OutputFolderTests {
  let folder = TemporaryFolder()
  /// The files the new folder will hold, and what the folders it replaces may hold.
  let names: Set = ["file", "old"]

  /// Fills a new folder with one file, as writers do.
  func fill(_ output: OutputFolder, _ bytes: [UInt8]) throws {
    try OutputFile.write(bytes, to: output.path(of: "file"), replacing: false)
  }

  func write(_ bytes: [UInt8], to path: String, replacing: Bool) throws {
    let output = try OutputFolder(path: path, names: names, replacing: replacing)
    try fill(output, bytes)
    try output.commit()
  }

  /// A folder that holds `old` with one byte.
  func existing(_ name: String) throws -> String {
    let path = folder.folder(name)
    try FileSystem.write([9], to: path + "/old")
    return path
  }

  @Test func nothingIsVisibleBeforeTheCommit() throws {
    let path = folder.file("out")
    do {
      let output = try OutputFolder(path: path, names: names, replacing: false)
      try fill(output, [1])
      let name = try #require(folder.entries.first)
      #expect(folder.entries.count == 1)
      #expect(name.hasPrefix(".out.") && name.hasSuffix(".partial"))
      try output.commit()
      #expect(folder.entries == ["out"])
    }
    #expect(folder.entries == ["out"])
    #expect(try Paths.entries(of: path) == ["file"])
    #expect(try FileSystem.contents(path + "/file") == [1])
  }

  @Test(arguments: [false, true])
  func withoutCommitNothingChanges(replacing: Bool) throws {
    let path = replacing ? try existing("out") : folder.file("out")
    do {
      let output = try OutputFolder(path: path, names: names, replacing: replacing)
      try fill(output, [1])
    }
    #expect(folder.entries == (replacing ? ["out"] : []))
    if replacing { #expect(try Paths.entries(of: path) == ["old"]) }
  }

  @Test func slashesAtTheEndDoNotMatter() throws {
    try write([1], to: folder.file("out//"), replacing: false)
    #expect(try Paths.entries(of: folder.file("out")) == ["file"])
    #expect(throws: FileError.exists(path: folder.file("out"))) {
      try OutputFolder(path: folder.file("out/"), names: names, replacing: false)
    }
  }

  @Test func aMissingFolderIsNamedByTheFinalPath() {
    let path = folder.file("none/out")
    #expect(throws: SystemError(operation: "create folder", path: path, code: ENOENT)) {
      try OutputFolder(path: path, names: names, replacing: false)
    }
  }

  // MARK: Replacing

  @Test func aTakenNameIsRefusedWithoutReplacing() throws {
    let path = try existing("out")
    #expect(throws: FileError.exists(path: path)) {
      try OutputFolder(path: path, names: names, replacing: false)
    }
    #expect(try Paths.entries(of: path) == ["old"])
    #expect(folder.entries == ["out"])
  }

  @Test func aFileIsNeverReplacedByAFolder() throws {
    let path = try folder.write([1], to: "out")
    for replacing in [false, true] {
      let error: FileError = replacing ? .notAFolder(path: path) : .exists(path: path)
      #expect(throws: error) {
        try OutputFolder(path: path, names: names, replacing: replacing)
      }
    }
    #expect(try FileSystem.contents(path) == [1])
  }

  @Test func aFolderIsReplacedWholeAndGivesItsMode() throws {
    let path = try existing("out")
    try FileSystem.setMode(0o750, of: path)
    let old = FileSystem.status(path)?.inode
    try write([1], to: path, replacing: true)
    #expect(folder.entries == ["out"])
    #expect(try Paths.entries(of: path) == ["file"])
    #expect(FileSystem.status(path)?.inode != old)
    #expect(FileSystem.status(path)?.mode == 0o750)
  }

  @Test func replacingWhatIsNotThereIsFine() throws {
    try write([1], to: folder.file("out"), replacing: true)
    #expect(folder.entries == ["out"])
  }

  @Test func aFolderThatAppearedMeanwhileIsNotReplaced() throws {
    let path = folder.file("out")
    do {
      let output = try OutputFolder(path: path, names: names, replacing: false)
      try fill(output, [1])
      _ = try existing("out")
      #expect(throws: FileError.exists(path: path)) { try output.commit() }
    }
    #expect(folder.entries == ["out"])
    #expect(try Paths.entries(of: path) == ["old"])
  }

  @Test func aFolderThatHoldsAnythingElseIsRefused() throws {
    let path = try existing("out")
    for foreign in ["z", "a", ".hidden"] { try FileSystem.write([1], to: "\(path)/\(foreign)") }
    _ = folder.folder("out/inner")
    _ = folder.folder("out/file")
    let found = [".hidden", "a", "file", "inner", "z"]
    #expect(throws: FileError.foreignFiles(path: path, names: found)) {
      try OutputFolder(path: path, names: names, replacing: true)
    }
    #expect(throws: FileError.foreignFiles(path: path, names: found)) {
      try OutputFolder.check(path: path + "/", names: names, replacing: true)
    }
    #expect(try Paths.entries(of: path) == [".hidden", "a", "file", "inner", "old", "z"])
    #expect(folder.entries == ["out"])
  }

  @Test func checkingChangesNothing() throws {
    let path = try existing("out")
    try OutputFolder.check(path: path, names: names, replacing: true)
    try OutputFolder.check(path: folder.file("other"), names: [], replacing: false)
    #expect(throws: FileError.exists(path: path)) {
      try OutputFolder.check(path: path, names: names, replacing: false)
    }
    #expect(folder.entries == ["out"])
    #expect(try Paths.entries(of: path) == ["old"])
  }

  @Test func aLinkIsReplacedAndWhatItLeadsToStays() throws {
    let target = try existing("target")
    let path = folder.file("out")
    try FileSystem.link(path, to: "target")
    #expect(throws: FileError.exists(path: path)) {
      try OutputFolder(path: path, names: names, replacing: false)
    }
    try write([1], to: path, replacing: true)
    #expect(folder.entries == ["out", "target"])
    #expect(FileSystem.status(path)?.isLink == false)
    #expect(try Paths.entries(of: path) == ["file"])
    #expect(try Paths.entries(of: target) == ["old"])
  }

  // MARK: Leftovers

  func leftover() throws -> String {
    let path = folder.folder(".out.0123abcd.partial")
    try FileSystem.write([1], to: path + "/file")
    return path
  }

  @Test func temporariesOfDeadProcessesAreRemoved() throws {
    _ = try leftover()
    try write([1], to: folder.file("out"), replacing: false)
    #expect(folder.entries == ["out"])
  }

  @Test func aLockedTemporaryIsKept() throws {
    let path = try leftover()
    try FileSystem.whileLocked(path) {
      try write([1], to: folder.file("out"), replacing: false)
      #expect(folder.entries == [".out.0123abcd.partial", "out"])
      #expect(try Paths.entries(of: path) == ["file"])
    }
    try write([1], to: folder.file("out"), replacing: true)
    #expect(folder.entries == ["out"])
  }

  /// The lock holds from before the first file until after the rename.
  @Test func theTemporaryOfALivingWriterIsKept() throws {
    let path = folder.file("out")
    do {
      let first = try OutputFolder(path: path, names: names, replacing: true)
      try fill(first, [1])
      let second = try OutputFolder(path: path, names: names, replacing: true)
      try fill(second, [2])
      #expect(folder.entries.count == 2)
      try first.commit()
      #expect(try FileSystem.contents(path + "/file") == [1])
      try second.commit()
    }
    #expect(folder.entries == ["out"])
    #expect(try FileSystem.contents(path + "/file") == [2])
  }

  @Test func aLinkThatLooksLikeALeftoverIsNotFollowed() throws {
    let precious = try existing("precious")
    try FileSystem.link(folder.file(".out.12.partial"), to: precious)
    try write([1], to: folder.file("out"), replacing: false)
    #expect(try Paths.entries(of: precious) == ["old"])
  }
}
