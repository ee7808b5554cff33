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

/// Outputs whose name is taken, modes, and what killed runs leave behind.
@Suite struct OutputFileReplacingTests {
  let folder = TemporaryFolder()

  // MARK: Taken names

  @Test func aTakenNameIsRefusedWithoutReplacing() throws {
    let path = try folder.write([1], to: "x")
    #expect(throws: FileError.exists(path: path)) {
      try OutputFile(path: path, size: 1, replacing: false)
    }
    #expect(try FileSystem.contents(path) == [1])
    #expect(folder.entries == ["x"])
  }

  @Test func aTakenNameIsReplacedOnDemand() throws {
    let path = try folder.write([1], to: "x")
    try OutputFile.write([2, 3], to: path, replacing: true)
    #expect(try FileSystem.contents(path) == [2, 3])
    #expect(folder.entries == ["x"])
  }

  @Test func aNameTakenMeanwhileIsNotOverwritten() throws {
    let path = folder.file("x")
    do {
      let file = try OutputFile(path: path, size: 1, replacing: false)
      try FileSystem.write([9], to: path)
      #expect(throws: FileError.exists(path: path)) { try file.commit() }
    }
    #expect(try FileSystem.contents(path) == [9])
    #expect(folder.entries == ["x"])
  }

  @Test func aReaderOfTheOldFileKeepsIt() throws {
    let path = try folder.write([1, 2], to: "x")
    let old = try ReadableFile(path: path)
    try OutputFile.write([3], to: path, replacing: true)
    #expect(try old.bytes(at: 0, count: 2) == [1, 2])
  }

  @Test func aLinkIsReplacedAndWhatItLeadsToStays() throws {
    let target = try folder.write([1], to: "target")
    let path = folder.file("x")
    try FileSystem.link(path, to: "target")
    #expect(throws: FileError.exists(path: path)) {
      try OutputFile(path: path, size: 1, replacing: false)
    }
    try OutputFile.write([2], to: path, replacing: true)
    #expect(FileSystem.status(path)?.isRegular == true)
    #expect(try FileSystem.contents(path) == [2])
    #expect(try FileSystem.contents(target) == [1])
  }

  @Test func aLinkThatLeadsNowhereTakesTheName() throws {
    let path = folder.file("x")
    try FileSystem.link(path, to: "nowhere")
    #expect(throws: FileError.exists(path: path)) {
      try OutputFile(path: path, size: 1, replacing: false)
    }
    try OutputFile.write([2], to: path, replacing: true)
    #expect(FileSystem.status(path)?.isRegular == true)
    #expect(folder.entries == ["x"])
  }

  @Test func onlyRegularFilesAreReplaced() throws {
    let inner = folder.folder("inner")
    let fifo = folder.file("fifo")
    try FileSystem.makeFIFO(fifo)
    let link = folder.file("link")
    try FileSystem.link(link, to: "/dev/null")
    for path in [inner, fifo, link] {
      #expect(throws: FileError.notARegularFile(path: path)) {
        try OutputFile(path: path, size: 1, replacing: true)
      }
      #expect(throws: FileError.exists(path: path)) {
        try OutputFile(path: path, size: 1, replacing: false)
      }
    }
    #expect(folder.entries == ["fifo", "inner", "link"])
  }

  @Test func checkingSaysTheSameAndChangesNothing() throws {
    let path = try folder.write([1], to: "x")
    let inner = folder.folder("inner")
    try OutputFile.check(path: path, replacing: true)
    try OutputFile.check(path: folder.file("y"), replacing: false)
    #expect(throws: FileError.exists(path: path)) {
      try OutputFile.check(path: path, replacing: false)
    }
    #expect(throws: FileError.notARegularFile(path: inner)) {
      try OutputFile.check(path: inner, replacing: true)
    }
    #expect(folder.entries == ["inner", "x"])
  }

  // MARK: Modes

  /// In a child process, since the mask belongs to the whole process.
  @Test(.timeLimit(.minutes(1)))
  func aNewFileHasTheModeTheMaskLeaves() async {
    await #expect(processExitsWith: .success) {
      for mask in [0o022, 0o027, 0o077, 0] as [mode_t] {
        umask(mask)
        let folder = TemporaryFolder()
        try OutputFile.write([1], to: folder.file("x"), replacing: false)
        try OutputFile.write([1], to: folder.file("y"), replacing: true)
        #expect(FileSystem.status(folder.file("x"))?.mode == 0o666 & ~UInt32(mask))
        #expect(FileSystem.status(folder.file("y"))?.mode == 0o666 & ~UInt32(mask))
        let before = umask(mask)
        #expect(before == mask)
      }
    }
  }

  @Test(arguments: [0o600, 0o640, 0o664, 0o755] as [UInt32])
  func aReplacedFileGivesItsMode(mode: UInt32) throws {
    let path = try folder.write([1], to: "x")
    try FileSystem.setMode(mode, of: path)
    let file = try OutputFile(path: path, size: 1, replacing: true)
    let temporary = try #require(folder.entries.first { $0.hasSuffix(".partial") })
    #expect(FileSystem.status(folder.file(temporary))?.mode == 0o600)
    try file.commit()
    #expect(FileSystem.status(path)?.mode == mode)
  }

  @Test func theModeOfAFileThatVanishedIsKept() throws {
    let path = try folder.write([1], to: "x")
    try FileSystem.setMode(0o640, of: path)
    let file = try OutputFile(path: path, size: 1, replacing: true)
    try #require(unlink(path) == 0)
    try file.commit()
    #expect(FileSystem.status(path)?.mode == 0o640)
  }

  // MARK: Leftovers

  @Test func temporariesOfDeadProcessesAreRemoved() throws {
    try FileSystem.write([1], to: folder.file(".x.0123456789abcdef.partial"))
    try FileSystem.write([1], to: folder.file(".x.a.partial"))
    try OutputFile.write([2], to: folder.file("x"), replacing: false)
    #expect(folder.entries == ["x"])
  }

  @Test func aLockedTemporaryIsKept() throws {
    let name = ".x.0123456789abcdef.partial"
    try FileSystem.write([1], to: folder.file(name))
    try FileSystem.whileLocked(folder.file(name)) {
      try OutputFile.write([2], to: folder.file("x"), replacing: false)
      #expect(folder.entries == [name, "x"])
    }
    try OutputFile.write([2], to: folder.file("x"), replacing: true)
    #expect(folder.entries == ["x"])
  }

  @Test func twoWritersOfOneNameDoNotDisturbEachOther() throws {
    let path = folder.file("x")
    do {
      let first = try OutputFile(path: path, size: 1, replacing: true)
      let second = try OutputFile(path: path, size: 1, replacing: true)
      try [1 as UInt8].withUnsafeBytes { try first.write($0, at: 0) }
      try [2 as UInt8].withUnsafeBytes { try second.write($0, at: 0) }
      try second.commit()
      #expect(try FileSystem.contents(path) == [2])
      try first.commit()
    }
    #expect(try FileSystem.contents(path) == [1])
    #expect(folder.entries == ["x"])
  }

  @Test func filesOfOtherNamesAreLeftAlone() throws {
    let others = [
      ".x.partial", ".x..partial", ".x.12g4.partial", ".x.y.12.partial", ".xx.12.partial",
      ".y.12.partial",
      "x.12.partial",
    ]
    for name in others { try FileSystem.write([1], to: folder.file(name)) }
    try OutputFile.write([2], to: folder.file("x"), replacing: false)
    #expect(Set(folder.entries) == Set(others + ["x"]))
  }

  @Test func aLinkThatLooksLikeALeftoverIsNotFollowed() throws {
    let precious = folder.folder("precious")
    try FileSystem.write([1], to: precious + "/file")
    try FileSystem.link(folder.file(".x.12.partial"), to: precious)
    try FileSystem.link(folder.file(".x.34.partial"), to: precious + "/file")
    try OutputFile.write([2], to: folder.file("x"), replacing: false)
    #expect(try FileSystem.contents(precious + "/file") == [1])
  }
}
