import Activations
import Adapters
import ByteIO
import Contents
import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// The tensors of adapters and activations as they are stored, for `diff` and `inspect`.
@Suite struct StoredTensorsTests {
  private let folder = TemporaryFolder()

  private func names(_ path: String) throws -> [TensorName] {
    try StoredTensors.open(path: path).tensors.map(\.name)
  }

  @Test(
    "an adapter's tensors have the names of Adapter §2.3, whatever its format",
    arguments: ["reslora", "hdf5", "safetensors"])
  func adapters(_ identifier: String) throws {
    let lora = TestLoRA([("z/q", 2, 1), ("a", 1, 2)], dtypes: (.f16, .f32))
    let path = folder.file("x")
    try lora.write(to: path, as: try #require(AdapterOutputFormat(identifier: identifier)))
    let source = try StoredTensors.open(path: path)
    #expect(
      Set(source.tensors.map(\.name)) == [
        "z/q.lora_A", "z/q.lora_B", "a.lora_A", "a.lora_B",
      ])
    let index = try #require(source.index(of: "z/q.lora_A"))
    #expect(source.tensors[index].dtype == .f16)
    #expect(source.tensors[index].shape == [2, 5])
    #expect(try source.float64(of: index) == lora.all[0].a.values)
    #expect(source.index(of: "z/q.lora_C") == nil)
  }

  @Test("activations' matrices, in both formats")
  func activations() throws {
    let path = try folder.write(
      tensors: [TestTensor("x", [2, 3]), TestTensor("y", [2, 1])],
      metadata: [("inputs", #"{"q": "x", "v": "y"}"#)], to: "a")
    #expect(try names(path) == ["x", "y"])
    let other = folder.file("b")
    try ActivationFile(path: path).write(to: other, .hdf5, replacing: false)
    #expect(try names(other) == ["x", "y"])
    #expect(try StoredTensors.open(path: other).float64(of: 0) == [1, 2, 3, 4, 5, 6])
  }

  @Test("norm windows and files of others have no tensors")
  func none() throws {
    let json = try folder.write(text: "{}", to: "w.json")
    #expect(throws: AdapterError.notAnAdapter(source: json, found: "a JSON text")) {
      try StoredTensors.open(path: json)
    }
    let sketch = HDF5Sketch(["/@format": .attribute(.string("other"))])
    let path = try sketch.write(to: folder.file("x"))
    #expect(
      throws: AdapterError.notAnAdapter(
        source: path, found: "an HDF5 file of the format 'other'")
    ) { try StoredTensors.open(path: path) }
  }
}
