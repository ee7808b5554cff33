import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

/// A whole check goes on after the first broken rule.
@Suite struct ValidationTests {
  private func problems(_ bytes: [UInt8], limit: Int = 1000) throws -> [ContainerProblem] {
    try Checking.errors(of: bytes, limit: limit).map(\.problem)
  }

  /// A file with faults of the header, the directory, the table, padding and chunks.
  private var faulty: ContainerBuilder {
    var builder = ContainerBuilder.small
    builder.ancillary = [.init("noTe", [1, 2], checksum: 5)]
    builder.editHeader = { $0[13] = 1 }
    builder.editDirectory = { $0[46] = 1 }
    builder.editTable = { $0[4] = 1 }
    builder.tensors[1].checksum = 9
    builder.editFile = { $0[128 + 20] = 1 }
    return builder
  }

  @Test("faults of all parts are collected, in the order of checking")
  func collected() throws {
    let found = try problems(faulty.bytes)
    #expect(
      found == [
        .notZero(part: .header, offset: 13), .notZero(part: .entry, offset: 6),
        .notZero(part: .table, offset: 4),
        // The first tensor's chunk has a fault in its entry and is not looked into.
        .tensorChecksum(
          found: ContainerBuilder.crc(ContainerBuilder.small.tensors[1].raw), expected: 9),
        .chunkChecksum(
          found: ContainerBuilder.crc([4, 0, 0, 0] + Array("noTe".utf8) + [1, 2]), expected: 5),
      ])
  }

  @Test("no more than the limit", arguments: 1...5)
  func limit(_ limit: Int) throws {
    let all = try problems(faulty.bytes)
    #expect(try problems(faulty.bytes, limit: limit) == Array(all.prefix(limit)))
  }

  @Test("one chunk with two faults, and its tensor is not accused as well")
  func oneChunk() throws {
    var builder = ContainerBuilder.small
    builder.editFile = {
      $0[128] ^= 1
      $0[128 + 20] = 1
    }
    let errors = try Checking.errors(of: builder.bytes)
    #expect(errors.map(\.rule) == ["Container §3", "Container §1.1"])
    #expect(errors.allSatisfy { $0.subject.tensor == "a" })
  }

  @Test("several tensors of the table at fault")
  func table() throws {
    var builder = ContainerBuilder.small
    builder.tensors[0].dtype = 77
    builder.tensors[1].name = []
    builder.tensors.append(.init("c", shape: [3], raw: [0, 0, 0, 0]))
    #expect(
      try problems(builder.bytes) == [
        .unknownDType(found: 77), .badName(tensor: 1), .tensorSize(found: 4, expected: 12),
      ])
  }

  @Test("chunks of elements are checked although the table can't be read")
  func withoutTable() throws {
    var builder = ContainerBuilder.small
    builder.editTable = { $0 = [] }
    builder.editFile = { $0[128] ^= 1 }
    let errors = try Checking.errors(of: builder.bytes)
    #expect(errors.map(\.rule) == ["Container §4.4", "Container §3"])
    #expect(errors.map(\.subject.chunk) == [3, 1])
  }

  @Test("both checksums of header and directory are collected")
  func checksums() throws {
    var builder = ContainerBuilder.small
    builder.editFile = {
      $0[8] = 9
      $0[$0.count - 1] = 1
    }
    #expect(
      try Checking.errors(of: builder.bytes).map(\.rule) == [
        "Container §2", "Container §2", "Container §3",
      ])
  }

  @Test("the description is known where the table is not")
  func description() throws {
    let folder = TemporaryFolder()
    var builder = ContainerBuilder.small
    builder.editTable = { $0 = [] }
    let path = folder.file("x.reslora")
    try FileSystem.write(builder.bytes, to: path)
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    #expect(validation.description == #"{"format":"reslora-adapter"}"#)
    #expect(validation.file == nil)
  }

  @Test("damage of elements leaves the file open")
  func openFile() throws {
    let folder = TemporaryFolder()
    var builder = ContainerBuilder.small
    builder.editFile = { $0[128] ^= 1 }
    let path = folder.file("x.reslora")
    try FileSystem.write(builder.bytes, to: path)
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    #expect(validation.errors.count == 1)
    #expect(try validation.file?.bytes(of: 1) == builder.tensors[1].raw)
  }

  @Test("progress over all chunks, and an error of it comes through")
  func progress() throws {
    let folder = TemporaryFolder()
    let path = folder.file("x.reslora")
    var builder = ContainerBuilder.small
    builder.ancillary = [.init("noTe", [1, 2])]
    try FileSystem.write(builder.bytes, to: path)
    var seen: [Int] = []
    _ = try ContainerValidation(of: ReadableFile(path: path)) { done, total in
      #expect(total == 24)
      seen.append(done)
    }
    #expect(seen == [16, 22, 24])
    struct Stop: Error {}
    #expect(throws: Stop.self) {
      try ContainerValidation(of: ReadableFile(path: path)) { _, _ in throw Stop() }
    }
  }

  @Test("control characters in paths are escaped in errors")
  func escapedPath() {
    let error = ContainerError(path: "a\u{1b}b", problem: .notAContainer)
    #expect(error.description == "a\\u{1b}b: not a .reslora file [Container §2.1]")
    #expect(error.failureKind == .badData)
  }
}
