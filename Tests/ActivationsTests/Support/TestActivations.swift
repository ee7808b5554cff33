import Activations
import Adapters
import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Activations as tests describe them: `layer 0` is the input of q and v, `layer 1` that of `up`;
/// five tokens.
struct TestActivations {
  let folder = TemporaryFolder()

  static let matrices = [
    TestTensor("layer 0", [5, 3], dtype: .f16), TestTensor("layer 1", [5, 2], dtype: .f32),
  ]
  static let map = #"{"v": "layer 0", "up": "layer 1", "q": "layer 0"}"#

  static let sketch = HDF5Sketch([
    "/@format": .attribute(.string("reslora-activations")),
    "/@version": .attribute(.integer(1)),
    "/inputs/layer 0": .tensor(matrices[0]),
    "/inputs/layer 1": .tensor(matrices[1]),
    "/blocks/q@input": .attribute(.string("layer 0")),
    "/blocks/v@input": .attribute(.string("layer 0")),
    "/blocks/up@input": .attribute(.string("layer 1")),
    "/metadata/run": .text("7"),
  ])

  /// Writes the file in safetensors and returns its path.
  func safetensors(
    _ tensors: [TestTensor] = matrices, inputs: String = map,
    metadata: [(key: String, value: String)] = [("run", "7")]
  ) throws -> String {
    try folder.write(
      tensors: tensors, metadata: [("inputs", inputs)] + metadata, to: "activations.bin")
  }

  /// Writes the file in HDF5 with some parts changed and returns its path.
  func hdf5(_ changes: KeyValuePairs<String, HDF5Sketch.Part?> = [:]) throws -> String {
    try TestActivations.sketch.changed(changes).write(to: folder.file("activations.bin"))
  }

  /// What a check that collects notes, warnings marked.
  static func violations(_ path: String) throws -> [String] {
    let check = RuleCheck.collecting()
    do {
      _ = try ActivationFile(InputProbe(path: path), check: check)
    } catch {
      Issue.record(error)
    }
    return check.violations.map {
      ($0.severity == .warning ? "warning: " : "")
        + $0.message.replacing("\(path): ", with: "")
    }
  }

  /// Expects that opening throws exactly this.
  static func expectRefused(
    _ path: String, _ reason: ActivationError.Reason, rule: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: ActivationError.self, sourceLocation: sourceLocation) {
      try ActivationFile(path: path)
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.rule == rule, sourceLocation: sourceLocation)
    #expect(error?.path == path, sourceLocation: sourceLocation)
  }
}
