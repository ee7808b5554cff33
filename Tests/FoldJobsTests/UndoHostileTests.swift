import ByteIO
import Codecs
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import FoldJobs

/// Undo files that are damaged or made up: refused, or they restore the base; never anything else.
@Suite struct UndoHostileTests {
  /// An undo file taken apart, to be put together with changes and right checksums.
  private struct Parts {
    var chunks: [UndoChunk]
    var stored: [[UInt8]]

    init(_ path: String) throws {
      let file = try UndoFile(path: path)
      let bytes = try FileSystem.contents(path)
      chunks = file.chunks
      stored = file.chunks.map { Array(bytes[$0.position..<($0.position + $0.storedLength)]) }
    }

    /// Replaces the description, uncompressed.
    mutating func describe(_ bytes: [UInt8]) {
      guard var chunk = chunks.popLast() else { return }
      chunk.isCompressed = false
      (chunk.storedLength, chunk.rawLength) = (bytes.count, bytes.count)
      chunk.checksum = bytes.withUnsafeBytes { CRC32.of($0) }
      chunks.append(chunk)
      stored[stored.count - 1] = bytes
    }

    var description: [UInt8] {
      get throws {
        let chunk = try #require(chunks.last)
        guard chunk.isCompressed else { return stored[stored.count - 1] }
        var bytes = [UInt8](repeating: 0, count: chunk.rawLength)
        let decompressor = Zstandard.Decompressor()
        try bytes.withUnsafeMutableBytes { target in
          try stored[stored.count - 1].withUnsafeBytes {
            try decompressor.decompress($0, into: target)
          }
        }
        return bytes
      }
    }

    func bytes(count: Int? = nil) -> [UInt8] {
      let content = stored.flatMap { $0 }
      let directory = chunks.flatMap(\.bytes)
      let header = UndoHeader(
        fileLength: 64 + content.count + directory.count, directoryOffset: 64 + content.count,
        chunkCount: count ?? chunks.count,
        directoryChecksum: directory.withUnsafeBytes { CRC32.of($0) })
      return header.bytes + content + directory
    }
  }

  private func small() throws -> (made: UndoCase, base: String, folded: String, undo: String) {
    var made = try UndoCase(files: 1)
    var file = made.base[0]
    let names: Set<TensorName> = ["d.scale", "f.scalar", "h.same"]
    file = UndoCase.File(
      name: file.name, tensors: file.tensors.filter { names.contains($0.name) },
      contents: file.contents)
    made.base = [file]
    let (base, folded, undo) = try made.writeSingle()
    return (made, base, folded, undo)
  }

  @Test("every flipped byte and every truncation is refused or harmless")
  func flipsAndTruncations() throws {
    let (made, base, folded, undo) = try small()
    let bytes = try FileSystem.contents(undo)
    let expected = try FileSystem.contents(base)
    let source = try SafetensorsFile(path: folded)
    let output = made.folder.file("restored")
    let damaged = made.folder.file("damaged")
    func attempt(_ bytes: [UInt8], _ what: String) throws -> Bool {
      try FileSystem.write(bytes, to: damaged)
      do {
        try Restoration(UndoFile(path: damaged), from: source)
          .run(to: output, replacing: true, threads: 1)
      } catch is UndoError {
        #expect(try Paths.kind(of: output) == .absent, "\(what)")
        return false
      }
      #expect(try FileSystem.contents(output) == expected, "\(what)")
      return true
    }
    var accepted = 0
    for position in bytes.indices {
      var changed = bytes
      changed[position] ^= UInt8(1 << (position % 8))
      if try attempt(changed, "byte \(position)") { accepted += 1 }
    }
    #expect(accepted == 0)
    for count in 0..<bytes.count {
      #expect(try !attempt(Array(bytes.prefix(count)), "cut at \(count)"))
    }
    #expect(try !attempt(bytes + [0], "extended"))
    #expect(try attempt(bytes, "untouched"))
  }

  @Test("directories that can't be are refused")
  func directories() throws {
    let (made, _, _, undo) = try small()
    let parts = try Parts(undo)
    let path = made.folder.file("hostile")
    func expect(_ what: String, _ change: (inout Parts) -> Void) throws {
      var changed = parts
      change(&changed)
      try FileSystem.write(changed.bytes(), to: path)
      #expect(throws: UndoError.self, "\(what)") { _ = try UndoFile(path: path) }
    }
    try FileSystem.write(parts.bytes(), to: path)
    #expect(throws: Never.self) { _ = try UndoFile(path: path) }
    try expect("offset beyond the tensor") { $0.chunks[0].offset = 1 }
    try expect("offset beyond counting") { $0.chunks[0].offset = Int.max }
    try expect("tensor out of range") { $0.chunks[1].tensor = 7 }
    try expect("tensor skipped") { $0.chunks[0].tensor = 1 }
    try expect("raw length of 4 GiB") { $0.chunks[0].rawLength = Int(UInt32.max) }
    try expect("no raw bytes") { $0.chunks[0].rawLength = 0 }
    try expect("stored length of 4 GiB") { $0.chunks[0].storedLength = Int(UInt32.max) }
    try expect("raw and stored differ") {
      $0.chunks[0].isCompressed = false
      $0.chunks[0].rawLength += 1
    }
    try expect("a width that does not divide") {
      $0.chunks[0].shuffle = $0.chunks[0].rawLength % 8 == 0 ? 3 : 8
    }
    try expect("two spans swapped") { $0.chunks.swapAt(0, 1) }
    try expect("a span twice") {
      $0.chunks.insert($0.chunks[0], at: 0)
      $0.stored.insert($0.stored[0], at: 0)
    }
    try expect("no description") {
      $0.chunks.removeLast()
      $0.stored.removeLast()
    }
    try expect("the description first") {
      $0.chunks.insert($0.chunks.removeLast(), at: 0)
      $0.stored.insert($0.stored.removeLast(), at: 0)
    }
    try expect("an unknown critical chunk") {
      $0.chunks[$0.chunks.count - 1].type = Array("Xyzw".utf8)
    }
    try expect("no letters") { $0.chunks[0].type = [0, 1, 2, 3] }
    for count in [0, 4_000_001, Int(UInt32.max)] {
      try FileSystem.write(parts.bytes(count: count), to: path)
      #expect(throws: UndoError.self, "\(count) chunks") { _ = try UndoFile(path: path) }
    }
    var extended = parts
    extended.chunks.append(
      UndoChunk(
        type: Array("note".utf8), isCompressed: false, shuffle: 1, storedLength: 1, rawLength: 1,
        checksum: 0, tensor: 0, offset: 0, position: 0))
    extended.stored.append([9])
    try FileSystem.write(extended.bytes(), to: path)
    #expect(throws: Never.self, "an ancillary chunk is ignored") { _ = try UndoFile(path: path) }
  }

  @Test("descriptions that can't be are refused")
  func descriptions() throws {
    let (made, _, _, undo) = try small()
    let parts = try Parts(undo)
    let original = try parts.description
    let path = made.folder.file("hostile")
    func isRefused(_ bytes: [UInt8]) throws -> Bool {
      var changed = parts
      changed.describe(bytes)
      try FileSystem.write(changed.bytes(), to: path)
      do {
        _ = try UndoFile(path: path)
        return false
      } catch is UndoError {
        return true
      } catch is SafetensorsError {
        return true
      }
    }
    #expect(try !isRefused(original))
    for count in 0..<original.count where count > 0 {
      #expect(try isRefused(Array(original.prefix(count))), "cut at \(count)")
    }
    #expect(try isRefused(original + [0]))
    // Counts, kinds, sizes and lengths: each field set to the most it can hold.
    for field in [0..<4, 4..<8, 8..<9, 9..<10, 10..<16, 16..<24, 24..<32, 64..<66, 66..<72] {
      var bytes = original
      for position in field { bytes[position] = 0xFF }
      #expect(try isRefused(bytes), "\(field)")
      bytes = original
      bytes[field.lowerBound] ^= 0x40
      #expect(try isRefused(bytes), "\(field)")
    }
    for name in ["../../x.safetensors".utf8, "a/b3456789012345678".utf8] {
      var bytes = original
      // "model.safetensors" has 17 bytes.
      bytes.replaceSubrange(72..<89, with: name.prefix(17))
      #expect(try isRefused(bytes))
    }
    #expect(String(decoding: original[72..<89], as: UTF8.self) == "model.safetensors")
  }

  @Test("a text transfer, another version, another feature are told apart")
  func headers() throws {
    let (made, _, _, undo) = try small()
    let bytes = try FileSystem.contents(undo)
    let path = made.folder.file("hostile")
    func problem(_ change: (inout [UInt8]) -> Void) throws -> UndoError.Problem? {
      var changed = bytes
      change(&changed)
      let checksum = changed.withUnsafeBytes {
        CRC32.of(UnsafeRawBufferPointer(rebasing: $0[..<60]))
      }
      changed.replaceSubrange(60..<64, with: littleEndianBytes(checksum))
      try FileSystem.write(changed, to: path)
      return #expect(throws: UndoError.self) { _ = try UndoFile(path: path) }?.problem
    }
    #expect(try problem { $0[0] = 0 } == .notAnUndoFile)
    #expect(try problem { $0.remove(at: 4) } == .damagedByTextTransfer)
    #expect(
      try problem {
        $0[8] = 2; $0[10] = 2
      } == .unknownVersion(found: 2))
    #expect(try problem { $0[16] = 8 } == .unknownFeatures(found: 8))
    #expect(
      try problem { $0[32] &+= 1 }
        == .wrongLength(found: bytes.count, expected: UInt64(bytes.count + 1)))
    #expect(
      try problem { $0[12] = 1 }
        == .malformed("a reserved byte of the header that is not zero", rule: "§2"))
  }

  @Test("a base that the format can't describe is refused before the fold")
  func notDescribable() throws {
    let made = try UndoCase(files: 1)
    let path = Paths.join(try made.write(made.base, to: "base"), "model.safetensors")
    let file = try UndoBase.File(SafetensorsFile(path: path))
    for base in [
      UndoBase(
        isFolder: true, files: [file, .init(name: "b", size: file.size, header: file.header)],
        index: nil),
      UndoBase(
        isFolder: false,
        files: [.init(name: String(repeating: "é", count: 128), size: 1, header: file.header)],
        index: nil),
    ] {
      #expect(throws: UndoError.self) {
        _ = try UndoWriter(path: made.folder.file("undo"), base: base, replacing: false)
      }
    }
    #expect(made.folder.entries == ["base"])
  }
}
