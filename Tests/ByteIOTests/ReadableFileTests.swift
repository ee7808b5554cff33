import ByteIO
import Tensors
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite(.timeLimit(.minutes(1))) struct ReadableFileTests {
  let folder = TemporaryFolder()

  @Test func rangesAreRead() throws {
    let file = try ReadableFile(path: folder.write(0..<100, to: "x"))
    #expect(file.size == 100)
    #expect(try file.bytes(at: 0, count: 100) == Array(0..<100))
    #expect(try file.bytes(at: 98, count: 2) == [98, 99])
    #expect(try file.bytes(at: 100, count: 0) == [])
    var buffer = [UInt8](repeating: 0, count: 3)
    try buffer.withUnsafeMutableBytes { try file.read(at: 50, into: $0) }
    #expect(buffer == [50, 51, 52])
  }

  @Test func threadsReadAtOnce() throws {
    let file = try ReadableFile(path: folder.write(0..<200, to: "x"))
    let found = try Parallel.map(200, threads: 8) { try file.bytes(at: $0, count: 1) }
    #expect(found.flatMap { $0 } == Array(0..<200))
  }

  @Test func aMissingFileIsNamed() {
    let path = folder.file("none")
    #expect(throws: SystemError(operation: "open", path: path, code: ENOENT)) {
      try ReadableFile(path: path)
    }
    #expect(throws: SystemError(operation: "open", path: "", code: ENOENT)) {
      try ReadableFile(path: "")
    }
  }

  @Test func aLinkThatLeadsInCirclesIsNamed() throws {
    let path = folder.file("x")
    try FileSystem.link(path, to: "x")
    #expect(throws: SystemError(operation: "open", path: path, code: ELOOP)) {
      try ReadableFile(path: path)
    }
  }

  @Test func aPipeWithoutWriterIsRefusedAtOnce() throws {
    let path = folder.file("fifo")
    try FileSystem.makeFIFO(path)
    #expect(throws: FileError.notARegularFile(path: path)) { try ReadableFile(path: path) }
  }

  @Test func foldersAndDevicesAreRefused() {
    for path in [folder.folder("inner"), "/dev/null", "/"] {
      #expect(throws: FileError.notARegularFile(path: path)) { try ReadableFile(path: path) }
      #expect(throws: FileError.notARegularFile(path: path)) {
        try ReadableFile.contents(of: path, limit: 10)
      }
    }
  }

  @Test func aLinkToAFileIsFollowed() throws {
    try folder.write([1, 2], to: "x")
    try FileSystem.link(folder.file("link"), to: "x")
    #expect(try ReadableFile.contents(of: folder.file("link"), limit: 2) == [1, 2])
  }

  @Test func aFileShortenedAfterOpeningIsReported() throws {
    let path = folder.file("x")
    try FileSystem.write([UInt8](repeating: 5, count: 100), to: path)
    let file = try ReadableFile(path: path)
    try FileSystem.truncate(path, to: 40)
    #expect(throws: FileError.changed(path: path)) { try file.bytes(at: 0, count: 40) }
    #expect(throws: FileError.endedEarly(path: path, offset: 40, missing: 10)) {
      try file.bytes(at: 30, count: 20)
    }
    #expect(throws: FileError.endedEarly(path: path, offset: 60, missing: 10)) {
      try file.bytes(at: 60, count: 10)
    }
  }

  @Test func aFileWrittenToAfterOpeningIsReported() throws {
    let path = folder.file("x")
    try FileSystem.write([1, 2, 3, 4], to: path)
    let file = try ReadableFile(path: path)
    let own = try ReadableFile(path: path)
    own.expectChanges()
    // The system's clock for times of files goes in steps of some milliseconds.
    usleep(50_000)
    try FileSystem.overwrite(path, at: 3, with: [5])
    #expect(throws: FileError.changed(path: path)) { try file.bytes(at: 0, count: 2) }
    #expect(throws: FileError.changed(path: path)) { try file.checkUnchanged() }
    #expect(try own.bytes(at: 0, count: 4) == [1, 2, 3, 5])
    #expect(FileError.changed(path: path).failureKind == .badData)
  }

  @Test func anotherFileOfTheSameNameIsReported() throws {
    let path = try folder.write([1, 2], to: "x")
    try folder.write([1], to: "y")
    let files = try [FileIdentities(at: folder.path), FileIdentities(at: path)]
    for file in files { try file.check([path, folder.file("other")]) }
    // Of the same content.
    try folder.write([1, 2], to: "new")
    #expect(rename(folder.file("new"), path) == 0)
    for file in files {
      #expect(throws: FileError.changed(path: path)) { try file.check([path]) }
      try file.check([folder.file("y")])
    }
  }

  @Test func contentsAreLimited() throws {
    let path = try folder.write([1, 2, 3], to: "x")
    #expect(try ReadableFile.contents(of: path, limit: 3) == [1, 2, 3])
    #expect(throws: FileError.tooLarge(path: path, found: 3, limit: 2)) {
      try ReadableFile.contents(of: path, limit: 2)
    }
    #expect(try ReadableFile.contents(of: folder.write([], to: "empty"), limit: 0) == [])
  }

  @Test func messagesNameThePathEscapedAndTheReason() {
    let missing = SystemError(operation: "open", path: "a\u{1b}b", code: ENOENT)
    #expect(missing.description == #"a\u{1b}b: can't open: No such file or directory"#)
    #expect(missing.failureKind == .badData)
    #expect(SystemError(operation: "write", path: "x", code: ENOSPC).failureKind == .resource)
    let pipe = FileError.notARegularFile(path: "a\nb")
    #expect(pipe.description == #"a\u{a}b: not a regular file"#)
    #expect(pipe.failureKind == .badData)
    #expect(FileError.exists(path: "x").failureKind == .usage)
    #expect(FileError.noSpace(path: "x", needed: 2, free: 1).failureKind == .resource)
  }
}
