import Activations
import Adapters
import ByteIO
import Merging
import Safetensors
import Tensors
import TestSupport
import Testing

/// What a fit is drawn towards, and how strongly (Replay §4.2).
@Suite struct PenaltyTests {
  private func open(_ name: String) throws -> (adapter: Adapter, inputs: MergeInputs) {
    let fixture = FixtureCase("synthetic/\(name)")
    let adapter = try Adapter(
      path: fixture.adapterPath,
      overrides: AdapterOverrides(
        windows: try fixture.windowsPath.map { try WindowsFile(path: $0) }))
    let captured = try CapturedInputs(
      ActivationFile(path: fixture.path("activations-calibration.safetensors")), for: adapter)
    return (
      adapter,
      MergeInputs(
        base: try SafetensorsFile(path: fixture.basePath), calibration: Calibration(captured),
        threads: 2)
    )
  }

  /// The map that a merge puts in place of a block's shortcut.
  private func map(
    _ adapter: Adapter, _ block: Int, _ combination: BlockMerge.Combination
  ) throws -> Matrix {
    switch combination {
    case .scaled(let factor):
      var map = try adapter.blocks[block].a.load()
      for i in map.values.indices { map.values[i] *= factor - 1 }
      return map
    case .mixed(let factors):
      var map = Matrix(
        rows: adapter.blocks[block].rank, columns: adapter.blocks[block].inFeatures)
      for (factor, previous) in zip(factors, adapter.topology.predecessors(of: block)) {
        let other = try adapter.blocks[previous].a.load()
        for i in map.values.indices { map.values[i] += factor * other.values[i] }
      }
      return map
    default:
      Issue.record("no map")
      return Matrix(rows: 0, columns: 0)
    }
  }

  @Test(
    "an infinite penalty leaves the paper's merge, bit for bit",
    arguments: [("is-basic", true), ("ms-pre2", true), ("is-stacked", false), ("ms-all", false)])
  func infinite(_ name: String, _ hasBase: Bool) throws {
    var (adapter, inputs) = try open(name)
    inputs.calibration?.penalty = .infinity
    if !hasBase { inputs.base = nil }
    let paper =
      try hasBase
      ? WeightBasedMerge.merge(adapter, inputs) : InputBasedMerge.merge(adapter, inputs)
    let fitted = try CalibratedMerge.merge(adapter, inputs)
    for (block, pair) in zip(fitted, paper).enumerated() {
      guard case .corrected(let found) = pair.0.combination else {
        #expect(adapter.topology.predecessors(of: block).isEmpty)
        continue
      }
      #expect(try found == map(adapter, block, pair.1.combination))
      let fit = try #require(pair.0.fit)
      #expect(fit.prior == (hasBase ? "bw" : "bi") && fit.penalty == .infinity)
      #expect(fit.crossValidatedError == nil && fit.condition == nil)
    }
  }

  @Test("fits on what is no number are refused, and where that is let in nothing is chosen by it")
  func nonFinite() throws {
    var (adapter, inputs) = try open("is-basic")
    let captured = try #require(inputs.calibration).inputs
    let matrices = captured.matrices
    var tensors = try matrices.tensors.indices.map {
      (matrices.tensors[$0], try matrices.bytes(of: $0))
    }
    // Float16, row 5 of layer 2: a NaN.
    tensors[2].1[2 * (5 * 12 + 3)] = 0x01
    tensors[2].1[2 * (5 * 12 + 3) + 1] = 0x7e
    let folder = TemporaryFolder()
    let map = adapter.blocks.indices.map {
      "\"\(adapter.blocks[$0].name)\": \"\(tensors[captured.matrixOfBlock[$0]].0.name)\""
    }
    try SafetensorsWriter.write(
      MemoryTensorSource(label: "broken", tensors: tensors),
      metadata: [("inputs", "{\(map.joined(separator: ", "))}")], to: folder.file("broken"),
      replacing: false)
    // Few tokens and many take different systems.
    for tokens in [7, 48] {
      let file = try ActivationFile(path: folder.file("broken"))
      inputs.calibration = Calibration(try CapturedInputs(file, for: adapter, tokens: tokens))
      inputs.allowsNonFinite = false
      for method in ["ls", "calibrated", "auto"] {
        let merge = Merge(method: method, inputs: inputs)
        #expect(
          throws: CaptureError.nonFinite(
            source: folder.file("broken"), matrix: "model.layers.2.self_attn", token: 5)
        ) { try merge.decide(adapter) }
      }
      inputs.allowsNonFinite = true
      let merges = try CalibratedMerge.merge(adapter, inputs)
      for (block, merge) in zip(adapter.blocks, merges) where merge.fit != nil {
        let fit = try #require(merge.fit)
        let isHit = block.name.string.contains(".2.") || block.name.string.contains(".3.")
        #expect((fit.crossValidatedError == nil) == isHit, "\(block.name) of \(tokens)")
        if isHit { #expect(fit.penalty == .infinity && fit.prior == "bw") }
      }
      _ = try Merge(method: "auto", inputs: inputs).decide(adapter)
    }
  }
}
