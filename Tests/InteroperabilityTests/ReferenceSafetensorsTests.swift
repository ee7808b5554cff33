import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// What we write, against the reference implementation of safetensors.
@Suite(Python.isThere) struct ReferenceSafetensorsTests {
  private let folder = TemporaryFolder()

  @Test("it opens our adapters and writes the same bytes for their tensors and metadata")
  func adapters() throws {
    var names: [String] = []
    for (number, adapter) in AwkwardAdapter.all.enumerated() {
      try adapter.write(to: "\(number)", in: folder)
      names.append("\(number).safetensors")
      try folder.tool("convert", "\(number)", names[number])
    }
    try AwkwardAdapter.writeLarge(to: "large", in: folder)
    try folder.tool("convert", "large", "large.reslora")
    try folder.tool("convert", "large.reslora", "large.safetensors")
    names.append("large.safetensors")
    let found = try Python.reference(["safetensors"] + names, in: folder)
    #expect(found == names.map { _ in "same" })
  }

  @Test("activations with one key of metadata, too, and a checkpoint with none")
  func others() throws {
    let tensors = [
      TestTensor("b", [2, 3], dtype: .bf16), TestTensor("ä", [2, 1], dtype: .f16),
      TestTensor("a", [2, 2], dtype: .f64), TestTensor("a\u{308}", [2, 2], dtype: .f32),
    ]
    let map = #"{"x":"a","x.y":"b","z":"a\#u{308}","ü":"ä"}"#
    try folder.write(tensors: tensors, metadata: [("inputs", map)], to: "a.safetensors")
    try folder.write(tensors: tensors, to: "c.safetensors")
    try folder.tool("convert", "a.safetensors", "a.h5")
    try folder.tool("convert", "a.h5", "b.safetensors")
    try folder.tool("convert", "c.safetensors", "d.safetensors")
    let found = try Python.reference(["safetensors", "b.safetensors", "d.safetensors"], in: folder)
    #expect(found == ["same", "same"])
  }

  @Test("a folded base is what it would write")
  func folded() throws {
    let fixture = FixtureCase("synthetic/is-basic")
    try folder.tool(
      "fold", fixture.adapterPath, "--method", "bw", "--into", fixture.basePath, "-o",
      "folded.safetensors", "--no-provenance", "--quiet")
    #expect(try Python.reference(["safetensors", "folded.safetensors"], in: folder) == ["same"])
  }
}
