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

/// The life of an output: invisible, then complete, or gone.
@Suite struct OutputFileTests {
  let folder = TemporaryFolder()

  func write(_ bytes: [UInt8], to file: OutputFile, at offset: Int = 0) throws {
    try bytes.withUnsafeBytes { try file.write($0, at: offset) }
  }

  @Test func nothingIsVisibleBeforeTheCommit() throws {
    let path = folder.file("model.bin")
    let file = try OutputFile(path: path, size: 3, replacing: false)
    try write([1, 2, 3], to: file)
    let names = folder.entries
    #expect(names.count == 1)
    let name = try #require(names.first)
    #expect(name.hasPrefix(".model.bin.") && name.hasSuffix(".partial"))
    #expect(name.dropFirst(11).dropLast(8).allSatisfy { $0.isHexDigit })
    try file.commit()
    #expect(folder.entries == ["model.bin"])
    #expect(try FileSystem.contents(path) == [1, 2, 3])
  }

  @Test func theFileStaysWhenItsWriterIsGone() throws {
    do {
      let file = try OutputFile(path: folder.file("x"), size: 1, replacing: false)
      try write([7], to: file)
      try file.commit()
    }
    #expect(folder.entries == ["x"])
    #expect(try FileSystem.contents(folder.file("x")) == [7])
  }

  @Test(arguments: [false, true])
  func withoutCommitNothingChanges(replacing: Bool) throws {
    if replacing { try FileSystem.write([9], to: folder.file("x")) }
    do {
      let file = try OutputFile(path: folder.file("x"), size: 2, replacing: replacing)
      try write([1, 2], to: file)
      #expect(folder.entries.count == (replacing ? 2 : 1))
    }
    #expect(folder.entries == (replacing ? ["x"] : []))
    if replacing { #expect(try FileSystem.contents(folder.file("x")) == [9]) }
  }

  @Test func piecesMayComeInAnyOrderFromSeveralThreads() throws {
    var generator = SeededGenerator(seed: 1)
    let content = (0..<10_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    let file = try OutputFile(path: folder.file("x"), size: content.count, replacing: false)
    _ = try Parallel.map(100, threads: 4) { task in
      let start = (99 - task) * 100
      try content[start..<(start + 100)].withUnsafeBytes { try file.write($0, at: start) }
    }
    var back = [UInt8](repeating: 0, count: 5000)
    try back.withUnsafeMutableBytes { try file.readBack(at: 4000, into: $0) }
    #expect(back == Array(content[4000..<9000]))
    try file.synchronize()
    try file.commit()
    #expect(try FileSystem.contents(folder.file("x")) == content)
  }

  @Test func readingBackBeyondTheEndIsReported() throws {
    let path = folder.file("x")
    let file = try OutputFile(path: path, size: 10, replacing: false)
    var buffer = [UInt8](repeating: 0, count: 8)
    #expect(throws: FileError.endedEarly(path: path, offset: 10, missing: 2)) {
      try buffer.withUnsafeMutableBytes { try file.readBack(at: 4, into: $0) }
    }
  }

  @Test func anEmptyFileIsAFile() throws {
    try OutputFile.write([], to: folder.file("x"), replacing: false)
    #expect(try FileSystem.contents(folder.file("x")) == [])
  }

  @Test func anotherSizeThanPlannedIsNeverNamed() throws {
    let path = folder.file("x")
    do {
      let file = try OutputFile(path: path, size: 3, replacing: false)
      try write([1, 2, 3, 4], to: file)
      #expect(throws: FileError.wrongSize(path: path, found: 4, expected: 3)) { try file.commit() }
    }
    #expect(folder.entries == [])
  }

  @Test func moreThanTheDiskHoldsIsRefusedFirst() throws {
    let path = folder.file("x")
    let error = #expect(throws: FileError.self) {
      try OutputFile(path: path, size: 1 << 60, replacing: false)
    }
    guard case .noSpace(let refused, let needed, let free) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(refused == path)
    #expect(needed == 1 << 60)
    #expect(free > 0)
    #expect(folder.entries == [])
  }

  @Test func aMissingFolderIsNamedByTheFinalPath() {
    let path = folder.file("none/x")
    #expect(throws: SystemError(operation: "create", path: path, code: ENOENT)) {
      try OutputFile(path: path, size: 1, replacing: false)
    }
  }

  @Test func aPathBelowAFileIsNotAFolder() throws {
    let path = try folder.write([1], to: "x") + "/y"
    #expect(throws: SystemError(operation: "create", path: path, code: ENOTDIR)) {
      try OutputFile(path: path, size: 1, replacing: true)
    }
  }

  /// 252 of the 255 bytes a name may have, in 63 characters.
  @Test(arguments: [String(repeating: "\u{1f600}", count: 63), String(repeating: "x", count: 255)])
  func theLongestNamesWork(name: String) throws {
    try OutputFile.write([1], to: folder.file(name), replacing: false)
    #expect(folder.entries == [name])
    do { _ = try OutputFile(path: folder.file(name), size: 1, replacing: true) }
    #expect(folder.entries == [name])
  }

  // MARK: Copies

  @Test func rangesOfAnotherFileAreCopied() throws {
    let content = (0..<200).map { UInt8($0) }
    let source = try ReadableFile(path: folder.write(content, to: "source"))
    let file = try OutputFile(path: folder.file("x"), size: 110, replacing: false)
    try write([UInt8](repeating: 0xaa, count: 110), to: file)
    withUnsafeTemporaryAllocation(byteCount: 7, alignment: 1) { scratch in
      #expect(throws: Never.self) {
        try file.copy(from: source, at: 50, count: 100, to: 5, scratch: scratch)
      }
    }
    try file.commit()
    let around = [UInt8](repeating: 0xaa, count: 5)
    #expect(try FileSystem.contents(folder.file("x")) == around + content[50..<150] + around)
  }

  #if os(Linux)
    /// The kernel does not copy out of `/proc`, so the bytes go through the scratch space.
    @Test func whatTheKernelCannotCopyIsReadAndWritten() throws {
      let source = try ReadableFile(path: "/proc/version")
      let expected = try source.bytes(at: 3, count: 50)
      let file = try OutputFile(path: folder.file("x"), size: 50, replacing: false)
      withUnsafeTemporaryAllocation(byteCount: 7, alignment: 1) { scratch in
        #expect(throws: Never.self) {
          try file.copy(from: source, at: 3, count: 50, to: 0, scratch: scratch)
        }
      }
      try file.commit()
      #expect(try FileSystem.contents(folder.file("x")) == expected)
    }
  #endif

  @Test func copyingBeyondTheSourcesEndIsReported() throws {
    let source = try ReadableFile(path: folder.write([1, 2, 3, 4], to: "source"))
    let file = try OutputFile(path: folder.file("x"), size: 10, replacing: false)
    withUnsafeTemporaryAllocation(byteCount: 100, alignment: 1) { scratch in
      _ = #expect(throws: FileError.endedEarly(path: source.path, offset: 4, missing: 4)) {
        try file.copy(from: source, at: 2, count: 6, to: 0, scratch: scratch)
      }
    }
  }
}
