import ByteIO
import FormatTestSupport
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// Archives that are cut, overwritten, or lie about sizes and places.
struct ZipDamageTests {
  private static var checkpoint: TestCheckpoint {
    TestCheckpoint(["x": TorchTensor(.counting(to: 6), [2, 3])])
  }

  private let name = "model/data/0"

  @Test("Cut at every byte: an error of this module or of reading, never a crash")
  func everyLength() throws {
    let checkpoint = ZipDamageTests.checkpoint
    let whole = checkpoint.zip.build()
    for length in 0..<whole.count {
      try checkpoint.folder.write(whole[..<length], to: "model.pt")
      let error =
        length < 4
        ? TorchCheckpointError.notACheckpoint(path: checkpoint.path)
        : .archive(path: checkpoint.path, .noEndRecord)
      #expect(throws: error) { try TorchCheckpoint(path: checkpoint.path) }
    }
  }

  @Test("Every byte changed: an error, or the same tensor")
  func everyByte() throws {
    let checkpoint = ZipDamageTests.checkpoint
    let whole = checkpoint.zip.build()
    let expected = try checkpoint.open().bytes(of: 0)
    for index in whole.indices {
      for change in [0x01, 0x80, 0xff] as [UInt8] {
        var damaged = whole
        damaged[index] ^= change
        try checkpoint.folder.write(damaged, to: "model.pt")
        do {
          let opened = try TorchCheckpoint(path: checkpoint.path)
          for (position, info) in opened.tensors.enumerated() where info.byteCount == 24 {
            #expect(try opened.bytes(of: position) == expected, "byte \(index)")
          }
        } catch is TorchCheckpointError {
        }
      }
    }
  }

  @Test("Parts on other disks")
  func disks() {
    var checkpoint = ZipDamageTests.checkpoint
    checkpoint.zip.end.disk = 1
    checkpoint.expect(zip: .severalDisks)
    checkpoint = ZipDamageTests.checkpoint
    checkpoint.zip.end.is64 = true
    checkpoint.zip.end.disks = 2
    checkpoint.expect(zip: .severalDisks)
    checkpoint = ZipDamageTests.checkpoint
    checkpoint.edit(name) { $0.central.disk = 1 }
    checkpoint.expect(zip: .severalDisks)
  }

  @Test("A directory elsewhere, of another size, or with another number of entries")
  func directory() {
    var checkpoint = ZipDamageTests.checkpoint
    let zip = checkpoint.zip.build()
    let count = checkpoint.zip.entries.count
    let end = zip.count - 22
    checkpoint.zip.end.offset = 0xffff_fff0
    let length = zip.integer32(at: end + 12)
    checkpoint.expect(
      zip: .directoryOutsideFile(offset: 0xffff_fff0, length: UInt64(length), available: end))
    checkpoint.zip.end.offset = nil
    checkpoint.zip.end.size = UInt64(length) - 1
    checkpoint.expect(zip: .directoryDamaged(entry: count - 1, count: count))
    checkpoint.zip.end.size = nil
    checkpoint.zip.end.count = UInt64(count) + 1
    checkpoint.expect(zip: .directoryDamaged(entry: count, count: count + 1))
    checkpoint.zip.end.count = UInt64(count) - 1
    checkpoint.expect(zip: .directoryDamaged(entry: count - 1, count: count - 1))
  }

  @Test("64-bit records that are missing, misplaced or contradict the short one")
  func zip64() {
    var checkpoint = ZipDamageTests.checkpoint
    let count = UInt64(checkpoint.zip.entries.count)
    checkpoint.zip.end.hasPlaceholders = true
    checkpoint.expect(zip: .zip64RecordMissing)
    checkpoint.zip.end.is64 = true
    for offset in [0, 5, UInt64.max, UInt64(Int.max), 1 << 40] {
      checkpoint.zip.end.record64Offset = offset
      checkpoint.expect(zip: .zip64RecordMissing)
    }
    checkpoint.zip.end.record64Offset = nil
    checkpoint.zip.end.count64 = .max
    checkpoint.expect(zip: .tooManyEntries(found: .max, limit: 10_000))
    checkpoint.zip.end.count64 = nil
    checkpoint.zip.end.offset = .max
    checkpoint.zip.end.size = .max
    let end = checkpoint.zip.build().count - 98
    checkpoint.expect(zip: .directoryOutsideFile(offset: .max, length: .max, available: end))
    checkpoint = ZipDamageTests.checkpoint
    checkpoint.zip.end.is64 = true
    checkpoint.zip.end.count64 = count + 1
    checkpoint.expect(
      zip: .zip64RecordDiffers(
        field: "the number of entries", found: count, expected: count + 1))
  }

  @Test("Entries that lie outside the file, and offsets whose sum overflows")
  func places() {
    var checkpoint = ZipDamageTests.checkpoint
    let limit = checkpoint.zip.build().integer32(at: checkpoint.zip.build().count - 6)
    checkpoint.edit(name) { $0.offset = 0x7fff_ffff }
    checkpoint.expect(
      zip: .entryOutsideFile(
        entry: name, offset: 0x7fff_ffff, length: 42, available: Int(limit)))
    checkpoint.edit(name) { $0.offset = 1 }
    checkpoint.expect(zip: .localHeaderMissing(entry: name, offset: 1))
    checkpoint.edit(name) {
      $0.offset = nil
      $0.central.is64 = true
      $0.central.size = .max
      $0.central.compressedSize = .max
    }
    checkpoint.expect(tooLong: .max, name)
    checkpoint.edit(name) {
      $0.central.size = UInt64(Int.max)
      $0.central.compressedSize = UInt64(Int.max)
    }
    checkpoint.expect(tooLong: UInt64(Int.max), name)
  }

  @Test("Names that are not UTF-8, and a missing header")
  func names() {
    var checkpoint = ZipDamageTests.checkpoint
    let entry = checkpoint.entry(name)
    checkpoint.edit(name) { $0.localSignature = 0 }
    let offset = checkpoint.zip.entries[..<entry].reduce(0) {
      $0 + 30 + $1.local.name.count + $1.data.count + 16
    }
    checkpoint.expect(zip: .localHeaderMissing(entry: name, offset: offset))
    checkpoint.edit(name) { $0.central.name = [0x6d, 0xff] }
    checkpoint.expect(zip: .nameNotUTF8(entry: entry))
  }

  @Test("Extra fields that are cut or lack their values")
  func extraFields() {
    for extra in [[1], [1, 0, 8, 0], [1, 0, 9, 0, 1, 2]] as [[UInt8]] {
      var checkpoint = ZipDamageTests.checkpoint
      checkpoint.edit(name) { $0.central.extra = extra }
      checkpoint.expect(zip: .extraFieldDamaged(entry: name))
    }
    var checkpoint = ZipDamageTests.checkpoint
    checkpoint.edit(name) { $0.central.size = UInt64(UInt32.max) }
    checkpoint.expect(zip: .extraFieldDamaged(entry: name))
    checkpoint = ZipDamageTests.checkpoint
    checkpoint.edit(name) {
      $0.central.is64 = true
      $0.central.extra = little(1 as UInt16, 0 as UInt16, 1 as UInt16, 0 as UInt16)
    }
    checkpoint.expect(zip: .extraFieldDamaged(entry: name))
    checkpoint = ZipDamageTests.checkpoint
    checkpoint.edit(name) {
      $0.local = $0.central
      $0.local.flags = 0
      $0.central.flags = 0
      $0.local.size = UInt64(UInt32.max)
    }
    checkpoint.expect(zip: .extraFieldDamaged(entry: name))
  }

  @Test("A method other than stored and deflate", arguments: [1, 9, 12, 14, 93, 99])
  func methods(method: UInt16) {
    var checkpoint = ZipDamageTests.checkpoint
    checkpoint.edit(name) {
      $0.local.method = method
      $0.central.method = method
    }
    checkpoint.expect(zip: .unsupportedMethod(entry: name, found: method))
  }

  @Test("A stored entry with two sizes")
  func storedSizes() {
    var checkpoint = ZipDamageTests.checkpoint
    checkpoint.edit(name) { $0.central.size = 25 }
    checkpoint.expect(zip: .storedSizesDiffer(entry: name, found: 24, expected: 25))
  }

  @Test("A directory over its limit")
  func directorySize() {
    var checkpoint = ZipDamageTests.checkpoint
    let extra = Array("FB".utf8) + little(60_000 as UInt16) + [UInt8](repeating: 0, count: 60_000)
    for number in 0..<300 {
      checkpoint.zip.addPlain("\(number)", [])
      checkpoint.zip.entries[checkpoint.zip.entries.count - 1].central.extra = extra
    }
    let bytes = checkpoint.zip.build()
    let size = Int(bytes.integer32(at: bytes.count - 10))
    checkpoint.expect(zip: .directoryTooLarge(found: size, limit: 16_000_000))
  }
}

extension [UInt8] {
  /// The little-endian number at a position.
  func integer32(at position: Int) -> UInt32 {
    self[position..<(position + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}

extension TestCheckpoint {
  /// Expects that an entry is declared to reach beyond the directory.
  func expect(
    tooLong length: UInt64, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let entry = entry(name)
    let offset = zip.entries[..<entry].reduce(0) {
      $0 + 30 + $1.local.name.count + $1.data.count + 16
    }
    let bytes = zip.build()
    expect(
      zip: .entryOutsideFile(
        entry: name, offset: UInt64(offset + 30 + name.utf8.count), length: length,
        available: Int(bytes.integer32(at: bytes.count - 6))), sourceLocation: sourceLocation)
  }
}
