import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// An adapter in HDF5 as tests describe it: `z`, which comes first, and after it `a` with two pairs.
struct TestHDF5Adapter {
  typealias Changes = KeyValuePairs<String, HDF5Sketch.Part?>

  let folder = TemporaryFolder()

  static let hash = TestDescription.hash

  static let sketch = HDF5Sketch([
    "/@format": .attribute(.string("reslora-adapter")),
    "/@version": .attribute(.integer(1)),
    "/@structure": .attribute(.string("is")),
    "/@root": .attribute(.string("none")),
    "/@pre_num": .attribute(.integer(3)),
    "/@base_model": .attribute(.string("org/model")),
    "/metadata/run": .text("7"),
    "/blocks/z@index": .attribute(.integer(0)),
    "/blocks/z@scaling": .attribute(.double(0.1)),
    "/blocks/z/lora_A": .tensor(.dataset([2, 4], dtype: .f16)),
    "/blocks/z/lora_B": .tensor(.dataset([3, 2])),
    "/blocks/z/windows@capacity": .attribute(.integer(2)),
    "/blocks/z/windows/input": .doubles([3, 0.25]),
    "/blocks/z/windows/projection": .doubles([0]),
    "/blocks/a@index": .attribute(.integer(1)),
    "/blocks/a@scaling": .attribute(.integer(2)),
    "/blocks/a@previous": .attribute(.string("z")),
    "/blocks/a/lora_A.0": .tensor(.dataset([1, 4])),
    "/blocks/a/lora_B.0": .tensor(.dataset([5, 1])),
    "/blocks/a/lora_A.1": .tensor(.dataset([2, 4], dtype: .bf16)),
    "/blocks/a/lora_B.1": .tensor(.dataset([5, 2], dtype: .f64)),
    "/blocks/a/base@tensor": .attribute(.string("a.weight")),
    "/blocks/a/base@dtype": .attribute(.string("BF16")),
    "/blocks/a/base@shape": .attribute(.integers([5, 4])),
    "/blocks/a/base@sha256": .attribute(.string(hash)),
    "/blocks/a/base@squared_norm": .attribute(.double(6.5)),
    "/blocks/a/base/cross@a": .attribute(.double(-1.5)),
    "/blocks/a/base/cross@z": .attribute(.integer(2)),
  ])

  /// Writes the file with some parts changed and returns its path.
  func write(_ changes: Changes = [:]) throws -> String {
    try TestHDF5Adapter.sketch.changed(changes).write(to: folder.file("adapter.bin"))
  }

  func open(_ changes: Changes = [:]) throws -> Adapter { try Adapter(path: write(changes)) }

  /// What a check that collects notes, warnings marked.
  func violations(_ changes: Changes) throws -> [String] {
    let path = try write(changes)
    let check = RuleCheck.collecting()
    _ = try ResLoRAHDF5.read(InputProbe(path: path), check)
    return check.violations.map {
      ($0.severity == .warning ? "warning: " : "") + $0.message.replacing("\(path): ", with: "")
    }
  }
}
