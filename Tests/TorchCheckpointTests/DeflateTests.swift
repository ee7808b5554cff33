import ByteIO
import FormatTestSupport
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// Storages that were compressed after `torch.save`, by zipping the archive again.
struct DeflateTests {
  private let name = "model/data/0"

  private func checkpoint(
    _ storage: TorchStorage, _ tensor: TorchTensor? = nil,
    _ change: (inout ZipBuilder.Entry) -> Void
  ) -> TestCheckpoint {
    var checkpoint = TestCheckpoint(["x": tensor ?? TorchTensor(storage, [storage.declaredCount])])
    var zip = ZipBuilder()
    zip.addDeflated(name, storage.bytes)
    checkpoint.edit(name) {
      $0 = zip.entries[0]
      change(&$0)
    }
    return checkpoint
  }

  @Test("A compressed archive holds the same tensors", arguments: [0, 1, 1000, 300_000])
  func same(count: Int) throws {
    let storage = TorchStorage.counting(to: count)
    let opened = try checkpoint(storage) { _ in }.open()
    #expect(try opened.bytes(of: 0) == storage.bytes)
    #expect(try opened.bytes(of: 0) == storage.bytes)
  }

  @Test("A transposed view of a compressed storage")
  func transposed() throws {
    let storage = TorchStorage.counting(to: 6)
    let tensor = TorchTensor(storage, [3, 2], strides: [1, 3])
    let opened = try checkpoint(storage, tensor) { _ in }.open()
    #expect(try opened.float64(of: 0) == [0, 3, 1, 4, 2, 5])
  }

  @Test("Zeros that compress a thousand to one")
  func zeros() throws {
    let storage = TorchStorage("0", floats: [Float](repeating: 0, count: 1_000_000))
    let opened = try checkpoint(storage) { _ in }.open()
    #expect(try opened.bytes(of: 0) == storage.bytes)
  }

  @Test("The compressed data holds less or more than declared", arguments: [-1, 1])
  func wrongSize(surplus: Int) throws {
    let storage = TorchStorage.counting(to: 1000)
    let content = surplus > 0 ? storage.bytes + [7] : Array(storage.bytes.dropLast())
    let checkpoint = checkpoint(storage) { entry in
      entry.data = ZipBuilder.deflate(content)
      entry.central.compressedSize = UInt64(entry.data.count)
      entry.local.compressedSize = UInt64(entry.data.count)
    }
    let opened = try checkpoint.open()
    let error = TorchCheckpointError.archive(
      path: checkpoint.path,
      .wrongInflatedSize(entry: name, found: 4000 + surplus, expected: 4000))
    #expect(throws: error) { try opened.bytes(of: 0) }
  }

  @Test("Compressed data that is cut, followed by more, or not deflate at all")
  func damaged() throws {
    let changes: [(inout [UInt8]) -> Void] = [
      { $0.removeLast() }, { $0.removeLast($0.count - 1) }, { $0.append(0) },
      { $0 += [UInt8](repeating: 0, count: 300_000) }, { $0[0] = 0xff }, { $0 = [0x07] + $0 },
    ]
    for change in changes {
      let checkpoint = checkpoint(.counting(to: 1000)) { entry in
        change(&entry.data)
        // Enough declared bytes for the size to be possible.
        entry.central.compressedSize = UInt64(entry.data.count)
        entry.local.compressedSize = UInt64(entry.data.count)
      }
      do {
        let opened = try checkpoint.open()
        let error = TorchCheckpointError.archive(
          path: checkpoint.path, .deflateDamaged(entry: name))
        #expect(throws: error) { try opened.bytes(of: 0) }
      } catch let error as TorchCheckpointError {
        #expect(
          error
            == .archive(
              path: checkpoint.path, .impossibleSize(entry: name, found: 4000, limit: 1032)))
      }
    }
  }

  @Test("A size that deflate could not have made")
  func impossible() {
    var storage = TorchStorage.counting(to: 1)
    storage.declaredCount = 1 << 40
    let checkpoint = checkpoint(storage) { entry in
      for header in [\ZipBuilder.Entry.central, \.local] {
        entry[keyPath: header].is64 = true
        entry[keyPath: header].size = 4 << 40
      }
    }
    let stored = UInt64(ZipBuilder.deflate(storage.bytes).count)
    checkpoint.expect(
      zip: .impossibleSize(entry: name, found: 4 << 40, limit: stored * 1032))
  }

  @Test("A pickle over its limit is not decompressed")
  func pickle() {
    var checkpoint = checkpoint(.counting(to: 1)) { _ in }
    var zip = ZipBuilder()
    zip.addDeflated("model/data.pkl", [UInt8](repeating: 0, count: (64 << 20) + 1))
    checkpoint.edit("model/data.pkl") { $0 = zip.entries[0] }
    checkpoint.expect { .pickle(path: $0, .tooMany(.bytes, limit: 64 << 20)) }
  }

  @Test("Compressed storages of more than 4 GiB together")
  func total() {
    var storage = TorchStorage.counting(to: 1)
    storage.type = "ByteStorage"
    storage.declaredCount = (4 << 30) + 1
    let tensor = TorchTensor(storage, [storage.declaredCount])
    let checkpoint = checkpoint(storage, tensor) { entry in
      entry.data = [UInt8](repeating: 0, count: 5 << 20)
      for header in [\ZipBuilder.Entry.central, \.local] {
        entry[keyPath: header].is64 = true
        entry[keyPath: header].size = (4 << 30) + 1
        entry[keyPath: header].compressedSize = UInt64(entry.data.count)
      }
    }
    checkpoint.expect { .inflatedTooLarge(path: $0, found: (4 << 30) + 1, limit: 4 << 30) }
  }
}
