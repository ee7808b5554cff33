import ByteIO
import Synchronization
import TestSupport
import Testing

@Suite struct ReadingLimitTests {
  private static func limits(headerBytes: Int) -> ReadingLimits {
    var limits = ReadingLimits()
    limits.headerBytes = headerBytes
    return limits
  }

  @Test("A JSON text that is kept has at most a value for ten bytes of its limit")
  func values() throws {
    let text = Array("[0,[1],{\"a\":true}]".utf8)
    let atLimit = try ReadingLimits.$current.withValue(Self.limits(headerBytes: 60)) {
      try JSONValue(parsing: text)
    }
    #expect(atLimit.array?.count == 3)
    let error = ReadingLimits.$current.withValue(Self.limits(headerBytes: 59)) {
      #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }
    #expect(error?.reason == .tooManyValues(limit: 5))
    #expect(
      error?.description
        == "too many JSON values (expected at most 5); a larger --max-header accepts more")
  }

  @Test("A text of nothing but values is refused before it takes memory")
  func defaultValues() {
    let text = Array(String(repeating: "0,", count: 10_000_000).utf8)
    let error = #expect(throws: JSONError.self) {
      try JSONValue(parsing: Array("[".utf8) + text + Array("0]".utf8))
    }
    #expect(error?.reason == .tooManyValues(limit: 10_000_000))
  }

  @Test("A JSON file beyond the limit is not read")
  func files() throws {
    let folder = TemporaryFolder()
    let path = try folder.write("[1, 2]".utf8, to: "x.json")
    #expect(try ReadableFile.json(at: path) == Array("[1, 2]".utf8))
    ReadingLimits.$current.withValue(Self.limits(headerBytes: 5)) {
      #expect(throws: FileError.jsonTooLarge(path: path, found: 6, limit: 5)) {
        try ReadableFile.json(at: path)
      }
    }
  }

  @Test("Limits hold in the threads that share work", arguments: [1, 2, 5])
  func threads(_ threads: Int) throws {
    let found = try ReadingLimits.$current.withValue(Self.limits(headerBytes: 7)) {
      try Parallel.map(20, threads: threads) { _ in ReadingLimits.current.headerBytes }
    }
    #expect(found == [Int](repeating: 7, count: 20))
    #expect(ReadingLimits.current == ReadingLimits())
  }
}
