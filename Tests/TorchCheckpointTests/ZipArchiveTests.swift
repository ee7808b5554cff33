import ByteIO
import FormatTestSupport
import TestSupport
import Testing
import TorchCheckpoint

/// What a zip archive may look like.
struct ZipArchiveTests {
  private let folder = TemporaryFolder()

  private func open(_ zip: ZipBuilder) throws -> ZipArchive {
    try ZipArchive(file: ReadableFile(path: folder.write(zip.build(), to: "a.zip")))
  }

  private func contents(_ archive: ZipArchive) throws -> [String: [UInt8]] {
    var contents: [String: [UInt8]] = [:]
    for (index, entry) in archive.entries.enumerated() {
      contents[entry.name] = try archive.contents(of: index, limit: 1 << 24)
    }
    return contents
  }

  private static let noise: [UInt8] = {
    var generator = SeededGenerator(seed: 1)
    return (0..<700_000).map { _ in UInt8.random(in: 0...7, using: &generator) }
  }()

  private static var mixed: ZipBuilder {
    var zip = ZipBuilder()
    zip.add("m/torch", Array("torch".utf8))
    zip.addPlain("m/plain", Array("plain".utf8))
    zip.addDeflated("m/deflated", noise)
    zip.addDeflated("m/zeros", [UInt8](repeating: 0, count: 2_000_000))
    zip.addDeflated("m/nothing", [])
    zip.add("m/empty", [])
    zip.addPlain("m/é", [1, 2, 3])
    return zip
  }

  private func expectMixed(_ archive: ZipArchive) throws {
    let expected: [String: [UInt8]] = [
      "m/torch": Array("torch".utf8), "m/plain": Array("plain".utf8),
      "m/deflated": ZipArchiveTests.noise, "m/zeros": [UInt8](repeating: 0, count: 2_000_000),
      "m/nothing": [], "m/empty": [], "m/é": [1, 2, 3],
    ]
    #expect(try contents(archive) == expected)
    #expect(archive.hasChecksums)
  }

  @Test("Stored and deflated entries, sizes before and after the data")
  func methods() throws {
    let archive = try open(ZipArchiveTests.mixed)
    try expectMixed(archive)
    #expect(archive.entries.map(\.name)[0...1] == ["m/torch", "m/plain"])
    #expect(archive.index(of: "m/plain") == 1)
    #expect(archive.index(of: "plain") == nil)
    #expect(archive.entries.map(\.method)[0...2] == [.stored, .stored, .deflated])
  }

  @Test("64-bit records: beside the short one, instead of it, and in every entry")
  func zip64() throws {
    var zip = ZipArchiveTests.mixed
    zip.end.is64 = true
    try expectMixed(open(zip))
    zip.end.disks = 0
    try expectMixed(open(zip))
    zip.end.hasPlaceholders = true
    try expectMixed(open(zip))
    for index in zip.entries.indices { zip.entries[index].central.is64 = true }
    try expectMixed(open(zip))
    for index in zip.entries.indices { zip.entries[index].local.is64 = true }
    try expectMixed(open(zip))
  }

  @Test("A comment, extra fields, and an end record's signature inside the comment")
  func comment() throws {
    var zip = ZipArchiveTests.mixed
    zip.end.comment = Array("PK\u{5}\u{6} and so on, longer than an end record".utf8)
    for index in zip.entries.indices {
      zip.entries[index].local.extra = Array("FB".utf8) + little(3 as UInt16) + [90, 90, 90]
      zip.entries[index].central.extra = Array("UT".utf8) + little(0 as UInt16)
    }
    try expectMixed(open(zip))
    zip.end.comment = [UInt8](repeating: 0, count: 65_535)
    try expectMixed(open(zip))
  }

  @Test("An archive without entries")
  func empty() throws {
    let archive = try open(ZipBuilder())
    #expect(archive.entries.isEmpty)
    #expect(archive.hasChecksums)
  }

  @Test("Ranges of stored and deflated entries")
  func ranges() throws {
    let archive = try open(ZipArchiveTests.mixed)
    var buffer = [UInt8](repeating: 0, count: 1000)
    for name in ["m/deflated", "m/zeros"] {
      let index = try #require(archive.index(of: name))
      let whole = try archive.contents(of: index, limit: 1 << 24)
      for offset in [0, 1, 262_143, whole.count - 1000] {
        try buffer.withUnsafeMutableBytes { try archive.read(entry: index, at: offset, into: $0) }
        #expect(buffer.elementsEqual(whole[offset..<(offset + 1000)]))
      }
    }
  }

  @Test("More than the limit is not read")
  func limit() throws {
    let archive = try open(ZipArchiveTests.mixed)
    let error = TorchCheckpointError.entryTooLarge(
      path: folder.file("a.zip"), entry: "m/plain", found: 5, limit: 4)
    #expect(throws: error) { try archive.contents(of: 1, limit: 4) }
  }

  @Test("Ten thousand entries, and not one more")
  func count() throws {
    var zip = ZipBuilder()
    for number in 0..<10_000 { zip.addPlain("\(number)", []) }
    #expect(try open(zip).entries.count == 10_000)
    zip.addPlain("last", [])
    let error = TorchCheckpointError.archive(
      path: folder.file("a.zip"), .tooManyEntries(found: 10_001, limit: 10_000))
    #expect(throws: error) { try open(zip) }
  }

  @Test("Sixteen threads that read one entry at once check it once and get the same bytes")
  func threads() async throws {
    let archive = try open(ZipArchiveTests.mixed)
    let results = try await withThrowingTaskGroup(of: [[UInt8]].self) { group in
      for _ in 0..<16 {
        group.addTask {
          try archive.entries.indices.map { try archive.contents(of: $0, limit: 1 << 24) }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let first = try #require(results.first)
    #expect(results.allSatisfy { $0 == first })
  }
}
