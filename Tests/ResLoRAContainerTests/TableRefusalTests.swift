import FormatTestSupport
import ResLoRAContainer
import Tensors
import Testing

/// The description and the table of the tensors: Container §4.2 to §4.6.
@Suite struct TableRefusalTests {
  private typealias Subject = ContainerError.Subject

  private static let table = Subject(chunk: 3, type: .tensors)
  private static let a = Subject(chunk: 3, type: .tensors, tensor: "a")
  private static let b = Subject(chunk: 3, type: .tensors, tensor: "b")

  private func edited(_ edit: (inout ContainerBuilder) -> Void) -> [UInt8] {
    var builder = ContainerBuilder.small
    edit(&builder)
    return builder.bytes
  }

  @Test("a description that is not UTF-8")
  func description() throws {
    try Refusal.expect(
      edited { $0.description = [0x22, 0xFF, 0x22] }, .descriptionNotUTF8,
      Subject(chunk: 0, type: .description),
      line: "chunk 0 (ADPT): description is not UTF-8 [Container §4.2]")
  }

  @Test("a table that is cut", arguments: [0, 39, 40, 87, 88, 104, 111, 112, 120, 159, 167, 175])
  func cut(_ size: Int) throws {
    let tensor = size < 40 ? nil : size < 112 ? 0 : 1
    try Refusal.expect(
      edited { $0.editTable = { $0 = Array($0.prefix(size)) } }, .tableCut(tensor: tensor),
      Self.table)
  }

  @Test("a cut table in words")
  func cutText() throws {
    try Refusal.expect(
      edited { $0.editTable = { $0 = [] } }, .tableCut(tensor: nil), Self.table,
      line: "chunk 3 (TENS): table of tensors ends early, before the first entry [Container §4.4]")
    try Refusal.expect(
      edited { $0.editTable = { $0.removeLast() } }, .tableCut(tensor: 1), Self.table,
      line: "chunk 3 (TENS): table of tensors ends early, in the entry of tensor 1 "
        + "[Container §4.4]")
  }

  @Test("numbers of tensors beyond the table and beyond the limit")
  func count() throws {
    try Refusal.expect(
      edited { $0.editTable = { $0.replaceSubrange(0..<4, with: [0x40, 0x42, 0x0F, 0]) } },
      .tableCut(tensor: 2), Self.table)
    try Refusal.expect(
      edited { $0.editTable = { $0.replaceSubrange(0..<4, with: [0x41, 0x42, 0x0F, 0]) } },
      .tooManyTensors(found: 1_000_001), Self.table,
      line: "chunk 3 (TENS): too many tensors (found 1000001, expected at most 1000000) "
        + "[Container §1.2]")
  }

  @Test("bytes that must be zero", arguments: [4, 7, 105, 111, 169, 175])
  func zeros(_ offset: Int) throws {
    try Refusal.expect(
      edited { $0.editTable = { $0[offset] = 1 } }, .notZero(part: .table, offset: offset),
      Self.table)
  }

  @Test("bytes after the last entry")
  func trailing() throws {
    try Refusal.expect(
      edited { $0.editTable = { $0 += [0, 0, 0, 0, 0, 0, 0, 0] } }, .tableTooLong(found: 8),
      Self.table,
      line: "chunk 3 (TENS): 8 bytes after the last entry of the table of tensors "
        + "[Container §4.4]")
  }

  @Test("names: empty, NUL, not UTF-8", arguments: [[], [0x61, 0], [0xC3], [0xED, 0xA0, 0x80]])
  func name(_ name: [UInt8]) throws {
    try Refusal.expect(
      edited { $0.tensors[1].name = name }, .badName(tensor: 1), Self.table,
      line: "chunk 3 (TENS): bad name of tensor 1 (expected UTF-8, not empty, without U+0000) "
        + "[Container §4.4]")
  }

  @Test("a name that would steer a terminal is escaped")
  func escapedName() throws {
    try Refusal.expect(
      edited {
        $0.tensors[1].name = Array("b\u{1b}[2J".utf8)
        $0.tensors[1].dtype = 9
      }, .unknownDType(found: 9), Subject(chunk: 3, type: .tensors, tensor: "b\u{1b}[2J"),
      line: "chunk 3 (TENS): tensor 'b\\u{1b}[2J': unknown dtype (found 9, expected 1, 2, 3 or 4) "
        + "[Container §4.4]")
  }

  @Test("two tensors of one name; composed and decomposed are two")
  func duplicate() throws {
    try Refusal.expect(
      edited { $0.tensors[1].name = [0x61] }, .duplicateName, Self.a,
      line: "chunk 3 (TENS): tensor 'a': two tensors of this name [Container §4.4]")
    let file = try Opening.open(
      edited {
        $0.tensors[0].name = Array("\u{e9}".utf8)
        $0.tensors[1].name = Array("e\u{301}".utf8)
      })
    #expect(file.index(of: "\u{e9}") == 0)
    #expect(file.index(of: "e\u{301}") == 1)
  }

  @Test("dtypes", arguments: [0, 5, 255])
  func dtype(_ code: UInt8) throws {
    try Refusal.expect(
      edited { $0.tensors[0].dtype = code }, .unknownDType(found: Int(code)), Self.a)
  }

  @Test("dimensions and sizes")
  func shape() throws {
    try Refusal.expect(
      edited { $0.tensors[0].shape = [4, 1, 1, 1, 1, 1, 1, 1, 1] },
      .tooManyDimensions(found: 9), Self.a)
    for shape: [UInt64] in [[1 << 63], [.max, 0], [1 << 32, 1 << 31], [1 << 61]] {
      try Refusal.expect(
        edited { $0.tensors[0].shape = shape }, .sizeOverflow, Self.a,
        line: "chunk 3 (TENS): tensor 'a': size overflows 64 bits [Container §4.4]")
    }
    try Refusal.expect(
      edited { $0.tensors[0].shape = [2, 3] }, .tensorSize(found: 16, expected: 24), Self.a,
      line: "chunk 3 (TENS): tensor 'a': DATA chunks do not add up to dtype and shape (found 16 "
        + "bytes, expected 24) [Container §4.4]")
    try Refusal.expect(
      edited { $0.tensors[0].shape = [0] }, .tensorSize(found: 16, expected: 0), Self.a)
  }

  @Test("chunks that are not the tensor's")
  func chunks() throws {
    try Refusal.expect(
      edited { $0.tensors[1].firstChunk = 0 }, .firstChunk(found: 0, expected: 1), Self.b,
      line: "chunk 3 (TENS): tensor 'b': wrong first DATA chunk (found 0, expected 1) "
        + "[Container §4.4]")
    try Refusal.expect(
      edited { $0.tensors[0].firstChunk = .max },
      .firstChunk(found: Int(UInt32.max), expected: 0), Self.a)
    try Refusal.expect(
      edited { $0.tensors[1].chunkCount = .max },
      .chunkCount(found: Int(UInt32.max), available: 1), Self.b,
      line: "chunk 3 (TENS): tensor 'b': more DATA chunks than are left (found 4294967295, "
        + "expected at most 1) [Container §4.4]")
    try Refusal.expect(
      edited { $0.tensors[1].chunkCount = 0 }, .tensorSize(found: 0, expected: 6), Self.b)
    try Refusal.expect(
      edited {
        $0.tensors[1].raw = []
        $0.tensors[1].shape = [0]
        $0.tensors[1].chunkCount = 0
      }, .unclaimedChunks(found: 1), Self.table,
      line: "chunk 3 (TENS): DATA chunks that belong to no tensor (found 1) [Container §4.4]")
  }

  @Test("shuffled by another width")
  func shuffleWidth() throws {
    try Refusal.expect(
      edited { $0.tensors[0].chunks[0].shuffle = 2 }, .shuffleWidth(found: 2, expected: 4),
      Subject(chunk: 1, type: .data, tensor: "a"),
      line: "chunk 1 (DATA): tensor 'a': shuffled by the wrong width (found 2, expected 1 or 4) "
        + "[Container §3.3]")
  }

  @Test(
    "pieces of a tensor",
    arguments: [
      ([64, 64, 64], nil), ([128, 64], nil), ([192], nil), ([128, 60, 4], .first(128)),
      ([96, 96], .multipleOf64), ([64, 128], .atMost(64)), ([128, 64, 0], .first(128)),
      ([192, 0], .atMost(192)), ([0, 192], .multipleOf64), ([64, 0, 64, 64], .first(64)),
    ] as [([Int], ContainerProblem.PieceLength?)])
  func pieces(_ lengths: [Int], _ expected: ContainerProblem.PieceLength?) throws {
    var start = 0
    let raw = (0..<192).map { UInt8($0) }
    let chunks = lengths.map { length in
      defer { start += length }
      return ContainerBuilder.Chunk("DATA", Array(raw[start..<(start + length)]))
    }
    let bytes = edited {
      $0.tensors = [.init("p", shape: [48], raw: raw, chunks: chunks)]
    }
    guard let expected else {
      let file = try Opening.open(bytes)
      #expect(try file.bytes(of: 0) == raw)
      let start = file.chunks[1].offset
      #expect(file.storedRange(ofTensor: 0) == start..<(start + 192))
      return
    }
    let number =
      switch expected {
      case .first: 2
      case .atMost: lengths.count
      case .multipleOf64: 1
      }
    try Refusal.expect(
      bytes, .pieceLength(found: lengths[number - 1], expected: expected),
      Subject(chunk: number, type: .data, tensor: "p"))
  }

  @Test("an identity of other tensors")
  func identity() throws {
    let right = ContainerBuilder.small.rightIdentity
    let wrong = [UInt8](repeating: 0xAB, count: 32)
    let hexadecimal = right.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    try Refusal.expect(
      edited { $0.identity = wrong },
      .identity(found: hexadecimal, expected: String(repeating: "ab", count: 32)), Self.table)
    #expect(try Opening.open(ContainerBuilder.small.bytes).identity == hexadecimal)
  }

  @Test("the identity does not depend on order, compression and pieces")
  func identityOfContent() throws {
    let reordered = edited { $0.tensors.reverse() }
    #expect(
      try Opening.open(reordered).identity == Opening.open(ContainerBuilder.small.bytes).identity)
  }
}
