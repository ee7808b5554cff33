import Adapters
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Files of kohya's scripts and of LyCORIS (Updates §8).
@Suite struct KohyaTests {
  private func file(_ tensors: TestTensors) throws -> (folder: TemporaryFolder, path: String) {
    let folder = TemporaryFolder()
    return (folder, try folder.write(tensors: tensors.all, to: "lora.safetensors"))
  }

  private func apply(
    _ tensors: TestTensors, to base: TestTensors
  ) throws -> [TensorName: [Double]] {
    let file = try file(tensors)
    let adapter = try #require(try AdapterUpdates(path: file.path))
    #expect(adapter.format == "kohya file")
    return try AppliedUpdates.apply(adapter, to: MemoryTensorSource(base.all, label: "base"))
  }

  @Test("a plain LoRA as blocks: alpha / rank, or 1 where there is no alpha")
  func plain() throws {
    var tensors = TestTensors()
    tensors.add("lora_unet_x_q.lora_down.weight", [2, 5])
    tensors.add("lora_unet_x_q.lora_up.weight", [3, 2])
    tensors.add("lora_unet_x_q.alpha", [], values: [5])
    tensors.add("lora_unet_x_v.lora_down.weight", [4, 5])
    tensors.add("lora_unet_x_v.lora_up.weight", [3, 4])
    let file = try file(tensors)
    let adapter = try Adapter(path: file.path)
    #expect(adapter.format == "kohya file")
    #expect(adapter.names == ["lora_unet_x_q", "lora_unet_x_v"])
    #expect(adapter.blocks.map(\.scaling) == [2.5, 1])
    #expect(try adapter.blocks[0].a.load().values == tensors["lora_unet_x_q.lora_down.weight"])
    #expect(adapter.notes.count == 1)
  }

  @Test("linear layers and convolutions, found by their flattened names")
  func updates() throws {
    var tensors = TestTensors()
    tensors.add("lora_unet_down_blocks_0_to_q.lora_down.weight", [2, 5])
    tensors.add("lora_unet_down_blocks_0_to_q.lora_up.weight", [3, 2])
    tensors.add("lora_unet_down_blocks_0_to_q.alpha", [], values: [1])
    tensors.add("lora_unet_conv_in.lora_down.weight", [2, 4, 3, 3])
    tensors.add("lora_unet_conv_in.lora_up.weight", [6, 2, 1, 1])
    tensors.add("lora_unet_core.lora_down.weight", [2, 4, 1, 1])
    tensors.add("lora_unet_core.lora_mid.weight", [2, 2, 3, 1])
    tensors.add("lora_unet_core.lora_up.weight", [6, 2, 1, 1])
    var base = TestTensors()
    base.add("model.diffusion_model.down_blocks.0.to_q.weight", [3, 5])
    base.add("model.diffusion_model.conv_in.weight", [6, 4, 3, 3])
    base.add("model.diffusion_model.core.weight", [6, 4, 3, 1])
    base.add("model.diffusion_model.other.weight", [6, 4])
    let found = try apply(tensors, to: base)
    let q: TensorName = "model.diffusion_model.down_blocks.0.to_q.weight"
    let delta = product(
      tensors["lora_unet_down_blocks_0_to_q.lora_up.weight"],
      tensors["lora_unet_down_blocks_0_to_q.lora_down.weight"], rows: 3, inner: 2, columns: 5)
    #expect(agree(found[q], sum(base[q], delta, times: 0.5)))
    let conv: TensorName = "model.diffusion_model.conv_in.weight"
    let kernel = product(
      tensors["lora_unet_conv_in.lora_up.weight"], tensors["lora_unet_conv_in.lora_down.weight"],
      rows: 6, inner: 2, columns: 36)
    #expect(agree(found[conv], sum(base[conv], kernel, times: 1)))
    let core: TensorName = "model.diffusion_model.core.weight"
    let (down, mid, up) = (
      tensors["lora_unet_core.lora_down.weight"], tensors["lora_unet_core.lora_mid.weight"],
      tensors["lora_unet_core.lora_up.weight"]
    )
    var rebuilt = [Double](repeating: 0, count: 72)
    for o in 0..<6 {
      for c in 0..<4 {
        for k in 0..<3 {
          for i in 0..<2 {
            for j in 0..<2 {
              rebuilt[o * 12 + c * 3 + k] +=
                up[o * 2 + i] * mid[i * 6 + j * 3 + k] * down[j * 4 + c]
            }
          }
        }
      }
    }
    #expect(agree(found[core], sum(base[core], rebuilt, times: 1)))
    #expect(
      found["model.diffusion_model.other.weight"] == base["model.diffusion_model.other.weight"])
  }

  @Test("DoRA, by output and by input", arguments: [[3, 1], [1, 5]])
  func dora(_ shape: [Int]) throws {
    var tensors = TestTensors()
    tensors.add("lora_te_q.lora_down.weight", [2, 5])
    tensors.add("lora_te_q.lora_up.weight", [3, 2])
    let magnitudes = (0..<shape.reduce(1, *)).map { Double($0 + 1) }
    tensors.add("lora_te_q.dora_scale", shape, values: magnitudes)
    var base = TestTensors()
    base.add("q.weight", [3, 5])
    let found = try apply(tensors, to: base)
    let delta = product(
      tensors["lora_te_q.lora_up.weight"], tensors["lora_te_q.lora_down.weight"], rows: 3,
      inner: 2, columns: 5)
    let sums = sum(base["q.weight"], delta, times: 1)
    let expected = sums.indices.map { position in
      let group = shape[0] == 3 ? position / 5 : position % 5
      let members = sums.indices.filter { (shape[0] == 3 ? $0 / 5 : $0 % 5) == group }
      let norm = members.reduce(0) { $0 + sums[$1] * sums[$1] }.squareRoot()
      return sums[position] * magnitudes[group] / norm
    }
    #expect(agree(found["q.weight"], expected))
  }

  @Test("LoHa and LoKr of LyCORIS; what is whole has no scale")
  func lycoris() throws {
    var tensors = TestTensors()
    for (role, shape) in [
      ("w1_a", [4, 2]), ("w1_b", [2, 6]), ("w2_a", [4, 2]), ("w2_b", [2, 6]),
    ] {
      tensors.add(TensorName("lycoris_x.hada_\(role)"), shape)
    }
    tensors.add("lycoris_x.alpha", [1], values: [3])
    tensors.add("lycoris_y.lokr_w1", [2, 3])
    tensors.add("lycoris_y.lokr_w2", [2, 2])
    tensors.add("lycoris_y.alpha", [], values: [100])
    var base = TestTensors()
    base.add("x.weight", [4, 6])
    base.add("y.weight", [4, 6])
    let found = try apply(tensors, to: base)
    let first = product(
      tensors["lycoris_x.hada_w1_a"], tensors["lycoris_x.hada_w1_b"], rows: 4, inner: 2, columns: 6)
    let second = product(
      tensors["lycoris_x.hada_w2_a"], tensors["lycoris_x.hada_w2_b"], rows: 4, inner: 2, columns: 6)
    #expect(
      agree(found["x.weight"], sum(base["x.weight"], zip(first, second).map(*), times: 1.5)))
    let (w1, w2) = (tensors["lycoris_y.lokr_w1"], tensors["lycoris_y.lokr_w2"])
    let kron = (0..<24).map { position -> Double in
      let (row, column) = (position / 6, position % 6)
      return w1[row / 2 * 3 + column / 2] * w2[row % 2 * 2 + column % 2]
    }
    #expect(agree(found["y.weight"], sum(base["y.weight"], kron, times: 1)))
  }

  @Test("a name that two weights may mean is refused with both")
  func ambiguous() throws {
    var tensors = TestTensors()
    tensors.add("lora_unet_0_q.lora_down.weight", [2, 5])
    tensors.add("lora_unet_0_q.lora_up.weight", [3, 2])
    var base = TestTensors()
    base.add("down.0.q.weight", [3, 5])
    base.add("up.0_q.weight", [3, 5])
    let error = #expect(throws: BaseMatchError.self) { try apply(tensors, to: base) }
    #expect(
      error?.faults == [.ambiguous(block: "0_q", weights: ["down.0.q.weight", "up.0_q.weight"])])
    #expect(
      error?.description == "base: 1 of the adapter's blocks does not fit: block '0_q' may belong "
        + "to any of 'down.0.q.weight', 'up.0_q.weight'")
    // The whole name counts before the end of another.
    base.add("0.q.weight", [3, 5])
    #expect(throws: Never.self) { try apply(tensors, to: base) }
    // And none at all is missing.
    var other = TestTensors()
    other.add("x.weight", [3, 5])
    let missing = #expect(throws: BaseMatchError.self) { try apply(tensors, to: other) }
    #expect(missing?.faults == [.missing(block: "0_q", nearest: ["'x.weight'"])])
  }

  @Test("what belongs to nothing is listed, what is half is named")
  func refusals() throws {
    var tensors = TestTensors()
    tensors.add("lora_unet_q.lora_down.weight", [2, 5])
    let half = try file(tensors)
    #expect(
      throws: AdapterError.incompletePair(source: half.path, block: "lora_unet_q", pair: 0)
    ) { try AdapterUpdates(path: half.path) }
    tensors.add("lora_unet_q.diff_b", [2])
    let foreign = try file(tensors)
    let error = #expect(throws: SidecarError.self) { try AdapterUpdates(path: foreign.path) }
    #expect(error?.reason == .unexpectedTensors(["lora_unet_q.diff_b"]))
  }

  @Test("PEFT's names for LoHa are none of kohya's: their scale is in PEFT's config")
  func peft() throws {
    var tensors = TestTensors()
    tensors.add("base_model.model.q.hada_w1_a", [4, 2])
    let file = try file(tensors)
    let updates = try AdapterUpdates(path: file.path)
    #expect(updates.map(\.format) == nil)
    #expect(
      throws: AdapterError.unstated(
        source: file.path, what: "rank and alpha",
        advice: "name the folder that holds it and its adapter_config.json")
    ) { try Adapter(path: file.path) }
  }

  @Test("written and read again: the same factors, alpha as a tensor")
  func written() throws {
    let lora = TestLoRA([
      ("unet.down.0.to_q", 2, 0.5), ("text_encoder.l.0.q", 3, 1.0 / 3),
      ("text_encoder_2.l.0.q", 1, 0.1),
    ])
    let folder = TemporaryFolder()
    let format = try #require(AdapterOutputFormat(identifier: "kohya"))
    let path = folder.file("out.safetensors")
    try format.write(AdapterFileContent(lora), to: path)
    let adapter = try Adapter(path: path)
    #expect(
      adapter.names == ["lora_te1_l_0_q", "lora_te2_l_0_q", "lora_unet_down_0_to_q"])
    for (block, position) in zip(adapter.blocks, [1, 2, 0]) {
      #expect(block.scaling == lora.blocks[position].scaling)
      #expect(try block.a.load() == lora.all[position].a)
      #expect(try block.b.load() == lora.all[position].b)
    }
    let stored = try SafetensorsFile(path: path)
    #expect(stored.tensors.contains { $0.name == "lora_te2_l_0_q.alpha" && $0.shape.isEmpty })
    let clash = TestLoRA([("a.b", 1, 1), ("a_b", 1, 1)])
    #expect(throws: AdapterError.duplicateBlock("a_b")) {
      try format.check(AdapterFileContent(clash), for: path)
    }
  }
}
