import ByteIO
import Foundation
import FormatTestSupport
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Entries 55 to 71: checkpoints of `torch.save`, in the folder that the published code writes.
enum TorchEntries {
  static let all = globals + machine + tensors + archives + legacy + accepted

  private static let name = "x/pytorch_model_lora.bin"
  private static let a = "q.loras.0.lora_A"
  private static let b = "q.loras.0.lora_B"

  /// A checkpoint that every command refuses for one reason.
  private static func file(
    _ entry: Int, _ title: String, _ reason: String,
    _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]
  ) -> HostileCase {
    HostileCase(
      entry, title,
      Opening.adapter("x", into: "w.safetensors").map { .refused($0, "\(name): \(reason)") }
        + [.invalid("x", ["\(name): \(reason)"])]
    ) { try write(bytes(), to: $0) }
  }

  private static func write(_ bytes: [UInt8], to folder: TemporaryFolder) throws {
    _ = folder.folder("x")
    try folder.write(text: PublishedFolder.config.text, to: "x/reslora_config.json")
    try FileSystem.write(bytes, to: folder.file(name))
    try folder.write(tensors: [TestTensor("q.weight", [4, 4])], to: "w.safetensors")
  }

  /// A good archive of A and B, changed.
  private static func checkpoint(
    _ change: (inout TestCheckpoint) -> Void = { _ in }
  ) -> [UInt8] {
    var checkpoint = TestCheckpoint([
      a: TorchTensor(.counting("0", to: 8), [2, 4]), b: TorchTensor(.counting("1", to: 8), [4, 2]),
    ])
    change(&checkpoint)
    return checkpoint.zip.build()
  }

  private static func archive(
    _ entry: Int, _ title: String, _ reason: String,
    _ change: @escaping @Sendable (inout TestCheckpoint) -> Void
  ) -> HostileCase { file(entry, title, reason, checkpoint(change)) }

  /// An archive of a pickle.
  private static func pickle(
    _ entry: Int, _ title: String, _ reason: String,
    _ operations: @escaping @Sendable (inout PickleBuilder) -> Void
  ) -> HostileCase {
    file(
      entry, title, reason,
      TestCheckpoint(pickle: PickleBuilder.pickle(operations)).zip.build())
  }

  /// An archive of A as given, and a good B.
  private static func tensor(
    _ entry: Int, _ title: String, _ reason: String,
    _ tensor: @autoclosure @escaping @Sendable () -> TorchTensor
  ) -> HostileCase {
    file(
      entry, title, "tensor '\(a)': \(reason)",
      TestCheckpoint([a: tensor(), b: TorchTensor(.counting("1", to: 8), [4, 2])]).zip.build())
  }

  // MARK: The pickle

  private static let nothingExecuted =
    "nothing is executed, and only plain tensors are read; re-save the tensors with safetensors"

  private static let globals = [
    pickle(55, "a call of os.system", "pickle asks for 'os.system'; \(nothingExecuted)") {
      $0.global("os", "system")
      $0.text("touch owned")
      $0.raw([0x85])
      $0.op("R")
    },
    pickle(55, "a class of the model", "pickle asks for 'my.Model'; \(nothingExecuted)") {
      $0.global("my", "Model")
      $0.op(")R")
    },
    pickle(
      56, "a chain of attributes through an allowed module",
      "pickle asks for an attribute of an attribute, 'torch.serialization.os.system'; "
        + "nothing is executed; re-save the tensors with safetensors"
    ) { $0.global("torch", "serialization.os.system") },
    pickle(
      57, "STACK_GLOBAL",
      "pickle uses the operation STACK_GLOBAL, which plain tensors don't need (at byte 20); nothing is executed; re-save the tensors with safetensors"
    ) {
      $0.text("os")
      $0.text("system")
      $0.raw([0x93])
    },
    pickle(
      57, "INST",
      "pickle uses the operation INST, which plain tensors don't need (at byte 3); nothing is executed; re-save the tensors with safetensors"
    ) { $0.op("(ios\nsystem\n") },
  ]

  private static let machine = [
    pickle(
      58, "SETITEM on a list",
      "pickle damaged: SETITEM on the wrong kind of value (found list, expected dict)"
    ) { $0.op("]NNs") },
    pickle(
      59, "a memo index of 1.6 billion",
      "memo index of the pickle too large (found 1600000000, expected at most 10000000)"
    ) {
      $0.op("N")
      $0.put(1_600_000_000)
    },
    pickle(60, "a million MARKs", "pickle damaged: STOP without enough values (at byte 1000002)") {
      $0.raw([UInt8](repeating: 0x28, count: 1_000_000))
    },
    pickle(
      60, "a million MARKs and one",
      "pickle has too many stack entries (expected at most 1000000); a larger --max-pickle accepts more"
    ) {
      $0.raw([UInt8](repeating: 0x28, count: 1_000_001))
    },
    pickle(
      61, "a stack that lacks values", "pickle damaged: SETITEM without enough values (at byte 4)"
    ) { $0.op("}Ns") },
    file(
      62, "no STOP", "pickle cut short: no STOP at its end",
      TestCheckpoint(pickle: [0x80, 2, 0x7d]).zip.build()),
  ]

  // MARK: Tensors

  private static let tensors = [
    tensor(
      63, "a storage of fewer bytes than its elements",
      "wrong storage size (found 32 bytes, expected 36)",
      {
        var storage = TorchStorage.counting("0", to: 8)
        storage.declaredCount = 9
        return TorchTensor(storage, [2, 4])
      }()),
    tensor(
      64, "a shape past the storage",
      "reaches beyond its storage (found 8 elements, expected at most 7)",
      TorchTensor(.counting("0", to: 7), [2, 4])),
    tensor(
      64, "an offset past the storage",
      "reaches beyond its storage (found 9 elements, expected at most 8)",
      TorchTensor(.counting("0", to: 8), [2, 4], offset: 1)),
    tensor(
      64, "a negative stride", "negative stride (found -1, expected 0 or more)",
      TorchTensor(.counting("0", to: 8), [2, 4], strides: [4, -1], offset: 3)),
    tensor(
      64, "a terabyte out of one element",
      "repeats the elements of a smaller storage (found 4398046511104 bytes, expected at most 67108864); save a contiguous copy",
      TorchTensor(.counting("0", to: 1), [1 << 20, 1 << 20], strides: [0, 0])),
  ]

  // MARK: The archive

  private static let data = "model/data/0"

  private static let archives = [
    archive(
      66, "a local name that is another",
      "zip entry 'model/data/0': its header and the directory disagree about the name (found 'model/data/1')"
    ) {
      $0.edit(data) { $0.local.name = Array("model/data/1".utf8) }
    },
    archive(66, "encrypted", "zip entry 'model/data/0' is encrypted") {
      $0.edit(data) {
        $0.local.flags = 0x0809
        $0.central.flags = 0x0809
      }
    },
    archive(66, "an unknown flag", "zip entry 'model/data/0': unsupported flags (found 0x8808)") {
      $0.edit(data) {
        $0.local.flags = 0x8808
        $0.central.flags = 0x8808
      }
    },
    archive(
      67, "a wrong checksum",
      "zip entry 'model/data/0': wrong checksum, the file is damaged (found 0x6d71543f, expected 0x7a0a407c)"
    ) { $0.edit(data) { $0.data[23] ^= 1 } },
    archive(
      67, "a wrong checksum of the pickle",
      "zip entry 'model/data.pkl': wrong checksum, the file is damaged (found 0xbebe1bfe, expected 0xbebe1bff)"
    ) {
      $0.edit("model/data.pkl") { $0.central.checksum ^= 1 }
    },
    archive(
      69, "two entries in one place",
      "zip entry 'model/copy.pkl': its header and the directory disagree about the name (found 'model/data.pkl')"
    ) {
      var copy = $0.zip.entries[0]
      copy.offset = 0
      copy.central.name = Array("model/copy.pkl".utf8)
      $0.zip.entries.append(copy)
    },
    archive(70, "two entries of one name", "two zip entries are named 'model/data.pkl'") {
      $0.zip.add("model/data.pkl", [0x80, 2, 0x7d, 0x2e])
    },
    archive(
      70, "two pickles",
      "two checkpoints in one zip archive (found 'model/data.pkl' and 'other/data.pkl', expected one)"
    ) { $0.zip.add("other/data.pkl", [0x80, 2, 0x7d, 0x2e]) },
  ]

  private static let legacy = [
    file(
      71, "a raw pickle",
      "a pickle outside a zip archive, as PyTorch wrote before 1.6, is not read; load it with PyTorch and save it again with torch.save of 1.6 or later, or with safetensors",
      [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]),
    file(
      71, "a tar archive",
      "a tar archive, as PyTorch wrote before 1.6, is not read; load it with PyTorch and save it again with torch.save of 1.6 or later, or with safetensors",
      [UInt8](repeating: 0, count: 257) + Array("ustar\u{0}00".utf8)
        + [UInt8](repeating: 0, count: 1000)),
  ]

  // MARK: Accepted

  private static func good(
    _ entry: Int, _ title: String, note: String? = nil,
    _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]
  ) -> HostileCase {
    HostileCase(
      entry, title,
      [
        .accepted(["inspect", "--json", "x"]) { outcome in
          let notes = try outcome.json()["notes"]?.array ?? []
          #expect(note.map { notes.contains(.string("\(name): \($0)")) } ?? true)
        },
        .accepted(["convert", "x", "out.h5"], creates: ["out.h5"]),
        .accepted(["convert", "good", "good.h5"], creates: ["good.h5"]),
        .accepted(["diff", "out.h5", "good.h5"]),
      ]
    ) { folder in
      try write(bytes(), to: folder)
      let good = try PublishedFolder([
        TestTensor("q.loras.0.lora_A", [2, 4], values: (0..<8).map(Double.init)),
        TestTensor("q.loras.0.lora_B", [4, 2], values: (0..<8).map(Double.init)),
      ])
      try FileManager.default.copyItem(atPath: good.path, toPath: folder.file("good"))
    }
  }

  private static let accepted = [
    good(
      65, "tensors that share a storage",
      TestCheckpoint([
        a: TorchTensor(.counting(to: 8), [2, 4]), b: TorchTensor(.counting(to: 8), [4, 2]),
      ]).zip.build()),
    good(
      68, "every checksum zero",
      note: "saved without checksums (every one is zero); damage would go unnoticed",
      checkpoint { checkpoint in
        for index in checkpoint.zip.entries.indices {
          checkpoint.zip.entries[index].central.checksum = 0
        }
      }),
  ]
}
