import Adapters
import ByteIO
import Merging
import Safetensors
import Tensors
import TestSupport
import Testing

/// What a merge refuses, by exact error, and which method it chooses.
@Suite struct MergeErrorTests {
  private func adapter(_ name: String, windows: Bool = true) throws -> Adapter {
    let fixture = FixtureCase("synthetic/\(name)")
    let file = windows ? try fixture.windowsPath.map { try WindowsFile(path: $0) } : nil
    return try Adapter(path: fixture.adapterPath, overrides: AdapterOverrides(windows: file))
  }

  private func base(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(path: FixtureCase("synthetic/\(name)").basePath)
  }

  @Test("bi without windows lists every block that needs one")
  func missingWindows() throws {
    let adapter = try adapter("is-basic", windows: false)
    #expect(
      throws: MergeError.missingWindows(blocks: adapter.blocks.map(\.name), kind: "input")
    ) { try Merge(method: "bi").run(adapter) }
  }

  @Test("bi without windows passes blocks whose windows no formula uses")
  func unusedWindows() throws {
    // pre_num 0: no block has a link, so no window is needed.
    let adapter = try adapter("ms-pre0", windows: false)
    let result = try Merge(method: "bi").run(adapter)
    #expect(result.blocks.allSatisfy { $0.alpha.isEmpty })
  }

  @Test(
    "a zero window is an error that names the block", arguments: ["lmops-zero", "lmops-zero-ms"])
  func zeroWindow(_ name: String) throws {
    let adapter = try adapter(name)
    let named = try #require(
      try FixtureCase("synthetic/\(name)").expected()["errors"]?.object?["bi"]?.array)
    let blocks = named.compactMap { $0.string.map { TensorName($0) } }
    let kind = adapter.structure == .inputShortcut ? "input" : "projection"
    #expect(throws: MergeError.zeroWindows(blocks: blocks, kind: kind)) {
      try Merge(method: "bi").run(adapter)
    }
  }

  @Test("bw without a base")
  func missingBase() throws {
    let adapter = try adapter("is-basic")
    #expect(throws: MergeError.missingBase) { try Merge(method: "bw").run(adapter) }
  }

  @Test("bw on weights that are all zero names the block it would divide by")
  func zeroNorm() throws {
    let adapter = try adapter("is-basic")
    let zeros = try adapter.blocks.map { block in
      let info = try TensorInfo(
        name: TensorName(block.name.string + ".weight"), dtype: .f32,
        shape: [block.outFeatures, block.inFeatures])
      return (info: info, bytes: [UInt8](repeating: 0, count: info.byteCount))
    }
    // Zero weights alone leave ‖s B A‖; a zero scaling takes that away too.
    let silent = try Adapter(
      label: "zero", format: "test",
      blocks: adapter.blocks.map {
        try Block(name: $0.name, a: $0.a, b: $0.b, scaling: 0)
      }, topology: adapter.topology, notes: [])
    let inputs = MergeInputs(base: MemoryTensorSource(label: "zeros", tensors: zeros))
    let error = #expect(throws: MergeError.self) {
      try Merge(method: "bw", inputs: inputs).run(silent)
    }
    guard case .zeroNorm = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(
    "exact on is and ms, and estimates on a plain LoRA",
    arguments: [
      ("is-basic", "exact"), ("ms-pre2", "exact"), ("plain", "bi"), ("plain", "bw"),
      ("plain", "exact"),
    ])
  func notForStructure(_ name: String, _ method: String) throws {
    let adapter = try adapter(name)
    let inputs = MergeInputs(base: try base(name))
    #expect(throws: MergeError.notForStructure(method: method, structure: adapter.structure)) {
      try Merge(method: method, inputs: inputs).run(adapter)
    }
  }

  @Test("bi and bw on bs mean exact, and say so", arguments: ["bi", "bw"])
  func estimatesOnBlockShortcut(_ method: String) throws {
    let result = try Merge(method: method).run(try adapter("bs-pre1"))
    #expect(result.method == "exact")
    #expect(result.reason?.contains("exact") == true)
  }

  @Test(
    "the method chosen when none is named",
    arguments: [
      ("plain", true, true, "none"), ("bs-pre1", true, true, "exact"),
      ("bs-pre1", false, false, "exact"),
      ("is-basic", true, true, "bw"), ("is-basic", false, true, "bi"),
      ("ms-pre2", true, false, "bw"),
    ])
  func defaultMethod(_ name: String, _ hasBase: Bool, _ windows: Bool, _ expected: String) throws {
    let adapter = try adapter(name, windows: windows)
    let choice = try MergeMethods.choose(nil, for: adapter, hasBase: hasBase)
    #expect(choice.method.name == expected)
    #expect(choice.reason != nil)
  }

  @Test("nothing to go by is an error, never none")
  func nothingToGoBy() throws {
    let adapter = try adapter("is-basic", windows: false)
    #expect(throws: MergeError.nothingToGoBy(structure: .inputShortcut)) {
      try MergeMethods.choose(nil, for: adapter, hasBase: false)
    }
  }

  @Test("an unknown method lists those there are")
  func unknownMethod() {
    #expect(throws: MergeError.unknownMethod(found: "x")) { try MergeMethods.named("x") }
    #expect(
      MergeError.unknownMethod(found: "x").description.contains("none, bi, bw, exact"))
  }

  @Test("the published weight-based merge refuses layers that are not square")
  func notSquare() throws {
    let adapter = try adapter("is-basic")
    let block = adapter.blocks[0]
    let inputs = MergeInputs(base: try base("is-basic"), profile: .lmops)
    #expect(
      throws: MergeError.notSquare(
        block: block.name, inFeatures: block.inFeatures, outFeatures: block.outFeatures)
    ) { try Merge(method: "bw", inputs: inputs).run(adapter) }
  }

  @Test("a base that lacks weights lists all of them with the nearest names")
  func unmatchedBase() throws {
    let adapter = try adapter("is-basic")
    let inputs = MergeInputs(base: try base("bs-ranks"))
    let error = #expect(throws: BaseMatchError.self) {
      try Merge(method: "bw", inputs: inputs).run(adapter)
    }
    #expect(error?.faults.count == adapter.blocks.count)
  }

  @Test("NaN in a factor or a weight is refused unless allowed", arguments: [false, true])
  func nonFinite(_ inWeight: Bool) throws {
    let name: TensorName = "layer.0.q"
    func source(_ name: TensorName, _ shape: [Int], _ values: [Double]) throws -> TensorReference {
      let info = try TensorInfo(name: name, dtype: .f32, shape: shape)
      let memory = MemoryTensorSource(
        label: "memory", tensors: [(info, Conversion.bytes(from: values, dtype: .f32))])
      return TensorReference(source: memory, index: 0)
    }
    let block = try Block(
      name: name,
      a: Factor([source("a", [1, 2], [1, inWeight ? 2 : .nan])], join: .rows),
      b: Factor([source("b", [2, 1], [1, 2])], join: .columns), scaling: 1)
    let topology = try Topology(
      structure: .inputShortcut, root: .ownInput, reach: .all, names: [name], previous: [nil])
    let adapter = try Adapter(
      label: "test", format: "test", blocks: [block], topology: topology, notes: [])
    let base = try source("layer.0.q.weight", [2, 2], [1, 2, 3, inWeight ? .infinity : 4]).source
    do {
      _ = try Merge(method: "bw", inputs: MergeInputs(base: base)).run(adapter)
      Issue.record("accepted")
    } catch let error as MergeError {
      #expect(inWeight && error == .nonFiniteWeight(source: "memory", weight: "layer.0.q.weight"))
    } catch let error as AdapterError {
      guard !inWeight, case .nonFinite("memory", "a", _) = error else {
        Issue.record("\(error)")
        return
      }
    }
    let allowed = MergeInputs(base: base, allowsNonFinite: true)
    #expect(throws: Never.self) { try Merge(method: "none", inputs: allowed).run(adapter) }
  }
}
