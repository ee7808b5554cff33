import Adapters
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Factors and the blocks made of them.
@Suite struct FactorTests {
  private func references(_ tensors: [TestTensor]) throws -> [TensorReference] {
    let source = try MemoryTensorSource(tensors, label: "adapter.safetensors")
    return source.tensors.indices.map { TensorReference(source: source, index: $0) }
  }

  @Test("a factor in float64, of every dtype", arguments: [DType.f64, .f32, .f16, .bf16])
  func load(_ dtype: DType) throws {
    let values = [1, -0.5, 0, 96, 0.0078125, -3]
    let factor = try Factor(
      references([TestTensor("a", [2, 3], dtype: dtype, values: values)]), join: .rows)
    #expect(try factor.load() == Matrix(rows: 2, columns: 3, values: values))
    #expect((factor.rows, factor.columns, factor.dtype) == (2, 3, dtype))
    #expect(factor.byteCount == 6 * dtype.bitWidth / 8)
    #expect(factor.ranks == [2])
  }

  @Test("pieces below each other and side by side, of different ranks and dtypes")
  func joined() throws {
    let a = try Factor(
      references([TestTensor("a0", [1, 2]), TestTensor("a1", [2, 2], dtype: .bf16)]), join: .rows)
    #expect(try a.load() == Matrix(rows: 3, columns: 2, values: [1, 2, 1, 2, 3, 4]))
    #expect(a.ranks == [1, 2])
    #expect(a.dtype == .f32)
    #expect(a.byteCount == 2 * 4 + 4 * 2)
    let b = try Factor(
      references([TestTensor("b0", [2, 1]), TestTensor("b1", [2, 2], dtype: .f64)]), join: .columns)
    #expect(try b.load() == Matrix(rows: 2, columns: 3, values: [1, 1, 2, 2, 3, 4]))
    #expect(b.dtype == .f64)
    let block = try Block(name: "x", a: a, b: b, scaling: 1)
    #expect((block.rank, block.inFeatures, block.outFeatures) == (3, 2, 2))
    #expect(block.dtype == .f64)
  }

  @Test(
    "numbers: what is not finite is refused unless allowed",
    arguments: [
      Double.nan, .infinity, -.infinity,
    ])
  func nonFinite(_ value: Double) throws {
    for dtype in [DType.f64, .f32, .f16, .bf16] {
      let factor = try Factor(
        references([
          TestTensor("ok", [1, 2]), TestTensor("bad", [1, 2], dtype: dtype, values: [1, value]),
        ]), join: .rows)
      let error = #expect(throws: AdapterError.self) { try factor.load() }
      guard case .nonFinite(let source, let tensor, let found) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(source == "adapter.safetensors")
      #expect(tensor == "bad")
      #expect(value.isNaN ? found.isNaN : found == value)
      #expect(
        error?.description == "adapter.safetensors: tensor 'bad': not finite (found \(value)); "
          + "pass --allow-nonfinite to go on")
      let kept = try factor.load(allowingNonFinite: true).values
      #expect(Array(kept.prefix(3)) == [1, 2, 1])
      #expect(value.isNaN ? kept[3].isNaN : kept[3] == value)
    }
  }

  @Test("numbers: headers alone are read until a factor is loaded")
  func lazy() throws {
    let folder = try PublishedFolder([
      TestTensor("q_proj.loras.0.lora_A", [2, 2], values: [1, .nan, 3, 4]),
      TestTensor("q_proj.loras.0.lora_B", [2, 2]),
    ])
    let adapter = try folder.open()
    let path = folder.folder.file("model.safetensors")
    let error = #expect(throws: AdapterError.self) { try adapter.blocks[0].a.load() }
    #expect(error?.description.hasPrefix("\(path): tensor 'q_proj.loras.0.lora_A': ") == true)
    #expect(try adapter.blocks[0].b.load().values == [1, 2, 3, 4])
  }

  @Test("a scaling that is not finite", arguments: [Double.infinity, -.infinity])
  func scaling(_ scaling: Double) throws {
    let pair = try references([TestTensor("a", [1, 2]), TestTensor("b", [2, 1])])
    let (a, b) = (try Factor([pair[0]], join: .rows), try Factor([pair[1]], join: .columns))
    let error = #expect(throws: AdapterError.self) {
      try Block(name: "x", a: a, b: b, scaling: scaling)
    }
    #expect(error == .badScaling(block: "x", found: scaling))
    #expect(error?.description == "block 'x': scaling is not finite (found \(scaling))")
    #expect(throws: AdapterError.self) { try Block(name: "x", a: a, b: b, scaling: .nan) }
  }

  @Test("a factor too large to load is refused by its header")
  func tooLarge() throws {
    let count = Factor.maximumBytes / 8
    func factor(_ rows: Int, _ columns: Int) throws -> Factor {
      let source = DeclaredTensor(
        info: try TensorInfo(name: "a", dtype: .f16, shape: [rows, columns]))
      return try Factor([TensorReference(source: source, index: 0)], join: .rows)
    }
    #expect(try factor(1, count).columns == count)
    let error = #expect(throws: AdapterError.self) { try factor(1, count + 1) }
    #expect(error == .factorTooLarge(source: "declared", tensor: "a", found: count + 1))
    #expect(
      error?.description == "declared: tensor 'a': too large for a factor "
        + "(found \(count + 1) elements, expected at most \(count))")
  }

  @Test("an adapter needs blocks, each once")
  func adapter() throws {
    func topology(_ names: [TensorName]) throws -> Topology {
      try Topology(
        structure: .plain, root: .ownInput, reach: .all, names: names,
        previous: names.map { _ in nil })
    }
    let pair = try references([TestTensor("a", [1, 2]), TestTensor("b", [2, 1])])
    let block = try Block(
      name: "x", a: Factor([pair[0]], join: .rows), b: Factor([pair[1]], join: .columns), scaling: 1
    )
    #expect(throws: AdapterError.noBlocks(source: "label")) {
      try Adapter(label: "label", format: "test", blocks: [], topology: topology([]), notes: [])
    }
    #expect(throws: AdapterError.duplicateBlock("x")) {
      try Adapter(
        label: "label", format: "test", blocks: [block, block], topology: topology(["x", "x"]),
        notes: [])
    }
  }
}

/// A tensor of which nothing but the header exists.
private struct DeclaredTensor: TensorSource {
  let info: TensorInfo

  var label: String { "declared" }
  var tensors: [TensorInfo] { [info] }

  func index(of name: TensorName) -> Int? { name == info.name ? 0 : nil }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    Issue.record("nothing is there to read")
  }
}
