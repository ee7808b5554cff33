import ByteIO
import FormatTestSupport
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// Items 66 to 70 of the robustness list, and other ways in which an archive can be wrong.
struct ZipRefusalTests {
  private static var checkpoint: TestCheckpoint {
    TestCheckpoint(["x": TorchTensor(.counting(to: 6), [2, 3])])
  }

  private let name = "model/data/0"

  @Test("66: the entry's own header has another name")
  func item66Name() {
    var checkpoint = ZipRefusalTests.checkpoint
    checkpoint.edit(name) { $0.local.name = Array("model/data/1".utf8) }
    checkpoint.expect(zip: .localNameDiffers(entry: name, found: "model/data/1"))
    checkpoint.edit(name) { $0.local.name = Array("model/data/00".utf8) }
    checkpoint.expect(
      zip: .localHeaderDiffers(
        entry: name, field: "length of the name", found: 13, expected: 12))
  }

  @Test(
    "66: flag bits that mean encryption, or something unknown",
    arguments: [0, 4, 5, 6, 7, 9, 10, 12, 13, 14, 15])
  func item66Flags(bit: UInt16) {
    var checkpoint = ZipRefusalTests.checkpoint
    let flags: UInt16 = 0x0808 | 1 << bit
    checkpoint.edit(name) {
      $0.local.flags = flags
      $0.central.flags = flags
    }
    checkpoint.expect(
      zip: [0, 6, 13].contains(bit)
        ? .encrypted(entry: name) : .unsupportedFlags(entry: name, found: flags))
  }

  @Test("66: flags that say how hard deflate tried are harmless", arguments: [0, 2, 4, 6, 0x0800])
  func item66Harmless(flags: UInt16) throws {
    var checkpoint = ZipRefusalTests.checkpoint
    checkpoint.edit("model/version") {
      $0.local = $0.central
      $0.local.flags = flags
      $0.central.flags = flags
    }
    #expect(try checkpoint.open().tensors.count == 1)
  }

  @Test("66: the two headers disagree about flags, method, sizes or checksum")
  func item66Fields() {
    func expect(
      _ field: String, found: UInt64, expected: UInt64,
      sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout ZipBuilder.Entry) -> Void
    ) {
      var checkpoint = ZipRefusalTests.checkpoint
      checkpoint.edit(name, change)
      checkpoint.expect(
        zip: .localHeaderDiffers(entry: name, field: field, found: found, expected: expected),
        sourceLocation: sourceLocation)
    }
    expect("flags", found: 8, expected: 0x0808) { $0.local.flags = 8 }
    expect("method", found: 8, expected: 0) { $0.local.method = 8 }
    expect("size", found: 23, expected: 24) { $0.local.size = 23 }
    expect("compressed size", found: 25, expected: 24) { $0.local.compressedSize = 25 }
    expect("checksum", found: 5, expected: UInt64(crc)) { $0.local.checksum = 5 }
    // Without the flag that puts them after the data, they have to be there.
    expect("checksum", found: 0, expected: UInt64(crc)) {
      $0.local.flags = 0
      $0.central.flags = 0
    }
    expect("compressed size", found: 0, expected: 24) {
      $0.local.flags = 0
      $0.central.flags = 0
      $0.local.checksum = $0.central.checksum
    }
  }

  private var crc: UInt32 { ZipBuilder.checksum(TorchStorage.counting(to: 6).bytes) }

  @Test("67: a wrong checksum is found before the first byte of a tensor is returned")
  func item67() throws {
    var checkpoint = ZipRefusalTests.checkpoint
    checkpoint.edit(name) { $0.data[23] ^= 1 }
    let data = checkpoint.zip.entries[checkpoint.entry(name)].data
    let opened = try checkpoint.open()
    var buffer: [UInt8] = [0xaa]
    let error = TorchCheckpointError.archive(
      path: checkpoint.path,
      .wrongChecksum(entry: name, found: ZipBuilder.checksum(data), expected: crc))
    for _ in 0..<2 {
      #expect(throws: error) {
        try buffer.withUnsafeMutableBytes { try opened.read(tensor: 0, at: 0, into: $0) }
      }
    }
    #expect(buffer == [0xaa])
  }

  @Test("67: a wrong checksum of the pickle, of a deflated storage, of a transposed tensor")
  func item67Elsewhere() throws {
    var checkpoint = ZipRefusalTests.checkpoint
    checkpoint.edit("model/data.pkl") { $0.central.checksum ^= 1 }
    let pickle = checkpoint.zip.entries[0]
    checkpoint.expect(
      zip: .wrongChecksum(
        entry: "model/data.pkl", found: ZipBuilder.checksum(pickle.data),
        expected: pickle.central.checksum))

    for isDeflated in [false, true] {
      let storage = TorchStorage.counting(to: 6)
      var other = TestCheckpoint(["x": TorchTensor(storage, [3, 2], strides: [1, 3])])
      if isDeflated {
        var zip = ZipBuilder()
        zip.addDeflated(name, storage.bytes)
        other.edit(name) { $0 = zip.entries[0] }
      }
      other.edit(name) {
        $0.central.checksum = 7
        if isDeflated { $0.local.checksum = 7 }
      }
      let opened = try other.open()
      let error = TorchCheckpointError.archive(
        path: other.path, .wrongChecksum(entry: name, found: crc, expected: 7))
      #expect(throws: error) { try opened.bytes(of: 0) }
    }
  }

  @Test("68: every checksum zero is accepted with a warning")
  func item68() throws {
    var checkpoint = ZipRefusalTests.checkpoint
    for index in checkpoint.zip.entries.indices {
      checkpoint.zip.entries[index].central.checksum = 0
    }
    let opened = try checkpoint.open()
    #expect(try opened.float64(of: 0) == [0, 1, 2, 3, 4, 5])
    #expect(
      opened.warnings == [
        "\(checkpoint.path): saved without checksums (every one is zero); damage would go unnoticed"
      ])
    #expect(try ZipRefusalTests.checkpoint.open().warnings == [])
  }

  @Test("68: one checksum that is zero is wrong")
  func item68One() throws {
    var checkpoint = ZipRefusalTests.checkpoint
    checkpoint.edit(name) { $0.central.checksum = 0 }
    let opened = try checkpoint.open()
    let error = TorchCheckpointError.archive(
      path: checkpoint.path, .wrongChecksum(entry: name, found: crc, expected: 0))
    #expect(throws: error) { try opened.bytes(of: 0) }
  }

  @Test("69: two entries at one place: the second's name is not the one found there")
  func item69Same() {
    var checkpoint = ZipRefusalTests.checkpoint
    var copy = checkpoint.zip.entries[0]
    copy.offset = 0
    copy.central.name = Array("model/copy.pkl".utf8)
    checkpoint.zip.entries.append(copy)
    checkpoint.expect(zip: .localNameDiffers(entry: "model/copy.pkl", found: "model/data.pkl"))
  }

  @Test("69: an entry inside another's data")
  func item69Inside() {
    var inner = ZipBuilder()
    inner.addPlain("model/inner", [1, 2, 3])
    var checkpoint = ZipRefusalTests.checkpoint
    var hidden = inner.entries[0]
    let header = Array(inner.build().prefix(30 + 11 + 3))
    checkpoint.zip = ZipBuilder()
    checkpoint.zip.addPlain("model/outer", header)
    hidden.offset = 30 + 11
    checkpoint.zip.entries.append(hidden)
    checkpoint.expect(zip: .overlap(first: "model/outer", second: "model/inner"))
  }

  @Test("70: two entries of one name, also where only the case differs")
  func item70() {
    for second in ["model/data.pkl", "model/DATA.PKL"] {
      var checkpoint = ZipRefusalTests.checkpoint
      checkpoint.zip.add(second, [0x80, 2, 0x7d, 0x2e])
      checkpoint.expect(zip: .duplicateName(second))
    }
  }

  @Test("70: two folders with a data.pkl each")
  func item70Folders() {
    var checkpoint = ZipRefusalTests.checkpoint
    checkpoint.zip.add("other/data.pkl", [0x80, 2, 0x7d, 0x2e])
    checkpoint.expect {
      .severalPickles(path: $0, first: "model/data.pkl", second: "other/data.pkl")
    }
  }
}
