import Activations
import Adapters
import ByteIO
import LoRATestSupport
import Merging
import Replaying
import Safetensors
import Tensors
import TestSupport
import Testing

/// Fits and cuts where extents and inputs are odd (Replay §4, §5).
@Suite struct FitEdgeTests {
  /// A chain of two blocks of an input-shortcut, and inputs of both.
  private struct Chain {
    let adapter: Adapter
    let folder: TemporaryFolder
    let path: String

    init(
      structure: Structure = .inputShortcut, rank: Int, inFeatures: Int, outFeatures: Int,
      x: [[Double]], sharesMatrix: Bool = false, windows: [NormWindows] = []
    ) throws {
      let names: [TensorName] = ["a", "b"]
      var generator = SeededGenerator(seed: 11)
      func factor(_ shape: [Int], _ join: Factor.Join) throws -> Factor {
        let info = try TensorInfo(name: "f", dtype: .f64, shape: shape)
        let bytes = Conversion.bytes(from: generator.values(info.elementCount), dtype: .f64)
        let source = MemoryTensorSource(label: "m", tensors: [(info, bytes)])
        return try Factor([TensorReference(source: source, index: 0)], join: join)
      }
      adapter = try Adapter(
        label: "chain", format: "memory",
        blocks: try names.enumerated().map { index, name in
          try Block(
            name: name, a: factor([rank, inFeatures], .rows),
            b: factor([outFeatures, rank], .columns), scaling: 1,
            windows: windows.isEmpty ? NormWindows() : windows[index])
        },
        topology: Topology(
          structure: structure, root: .ownInput, reach: .all, names: names,
          previous: [nil, names[0]]), notes: [])
      folder = TemporaryFolder()
      path = folder.file("x.safetensors")
      let matrices = sharesMatrix ? ["x0"] : ["x0", "x1"]
      let source = MemoryTensorSource(
        label: "x",
        tensors: try matrices.enumerated().map { index, name in
          let info = try TensorInfo(
            name: TensorName(name), dtype: .f64, shape: [x[index].count / inFeatures, inFeatures])
          return (info, Conversion.bytes(from: x[index], dtype: .f64))
        })
      let map = #"{"a":"x0","b":"\#(sharesMatrix ? "x0" : "x1")"}"#
      try SafetensorsWriter.write(
        source, metadata: [("inputs", map)], to: path, replacing: false)
    }

    func inputs() throws -> CapturedInputs {
      try CapturedInputs(ActivationFile(path: path), for: adapter)
    }

    func merge(
      _ method: String, penalty: Double? = nil, truncation: RankTruncation? = nil
    ) throws -> Merge.Decision {
      try Merge(
        method: method,
        inputs: MergeInputs(calibration: Calibration(try inputs(), penalty: penalty), threads: 2),
        truncation: truncation
      ).decide(adapter)
    }

    func error(_ merge: Merge.Decision) throws -> Double {
      let result = try Replay(adapter: adapter, inputs: inputs()).run([
        ReplayCandidate(name: "merge", lora: merge.lora, of: adapter)
      ])[0]
      return try #require(result.blocks[1].deltaError)
    }
  }

  private func values(_ count: Int, seed: UInt64) -> [Double] {
    var generator = SeededGenerator(seed: seed)
    return generator.values(count)
  }

  @Test("ranks above what a product can have are cut without loss", arguments: [3, 5, 7])
  func wideRank(_ rank: Int) throws {
    let chain = try Chain(
      structure: .plain, rank: 8, inFeatures: 4, outFeatures: 8,
      x: [values(40, seed: 1), values(40, seed: 2)])
    let merge = try chain.merge("none", truncation: .rank(rank))
    #expect(merge.lora.blocks.allSatisfy { $0.rank == min(rank, 4) })
    let error = try chain.error(merge)
    if rank > 4 { #expect(error < 1e-12) } else { #expect(error > 1e-3) }
  }

  @Test("more rank than outputs is fitted as well as can be", arguments: [12, 400])
  func narrowOutput(_ tokens: Int) throws {
    let x1 = values(tokens * 6, seed: 3)
    // x0 is a linear map of x1, which a fit finds.
    var x0 = [Double](repeating: 0, count: x1.count)
    for i in x1.indices {
      let row = i / 6 * 6
      x0[i] = x1[row + (i + 1) % 6] - 2 * x1[i]
    }
    let chain = try Chain(rank: 5, inFeatures: 6, outFeatures: 2, x: [x0, x1])
    #expect(try chain.error(chain.merge("calibrated", penalty: 1e-10)) < 1e-8)
  }

  @Test("blocks of one matrix are exact by slopes, and nothing is fitted", arguments: [9, 300])
  func sharedMatrix(_ tokens: Int) throws {
    let chain = try Chain(
      rank: 2, inFeatures: 5, outFeatures: 3, x: [values(tokens * 5, seed: 4)],
      sharesMatrix: true)
    let merge = try chain.merge("calibrated")
    let fit = try #require(merge.blocks[1].fit)
    #expect(fit.penalty == .infinity)
    #expect(fit.crossValidatedError == 0)
    #expect(try chain.error(merge) < 1e-12)
  }

  @Test("features that one fold alone has give no slope there", arguments: [20, 300])
  func sparseFeatures(_ tokens: Int) throws {
    var x = [values(tokens * 4, seed: 5), values(tokens * 4, seed: 6)]
    for token in 0..<tokens where token >= tokens / 5 {
      for matrix in 0..<2 { x[matrix][token * 4 + 3] = 0 }
    }
    let chain = try Chain(rank: 2, inFeatures: 4, outFeatures: 3, x: x)
    // One feature fewer in the whole: what the fold that has it can't be predicted by.
    let merge = try chain.merge("calibrated")
    let expected = try #require(merge.blocks[1].fit?.crossValidatedError)
    #expect(expected > 0 && expected < 2)
  }

  @Test("windows of some blocks only are no merge to be drawn to")
  func someWindows() throws {
    let chain = try Chain(
      rank: 2, inFeatures: 4, outFeatures: 3, x: [values(80, seed: 7), values(80, seed: 8)],
      windows: [NormWindows(input: NormWindow([1, 2])), NormWindows()])
    let merge = try chain.merge("calibrated")
    #expect(merge.blocks[1].fit?.prior == BlockFit.slopes)
    #expect(try chain.merge("auto").blocks[1].trials.map(\.method) == ["none", "ls", "calibrated"])
  }

  @Test("one token leaves the prior, with a penalty it is fitted")
  func oneToken() throws {
    let chain = try Chain(
      rank: 2, inFeatures: 4, outFeatures: 3, x: [values(4, seed: 9), values(4, seed: 10)])
    #expect(try chain.merge("calibrated").blocks[1].fit?.penalty == .infinity)
    #expect(try chain.merge("calibrated", penalty: 1).blocks[1].fit?.penalty == 1)
    #expect(throws: MergeError.tooFewTokens(source: chain.path, found: 1, expected: 2)) {
      try chain.merge("auto")
    }
  }

  @Test("terms beyond float64 are an error that names the block")
  func beyondRange() throws {
    let chain = try Chain(
      rank: 2, inFeatures: 4, outFeatures: 3,
      x: [values(8, seed: 1).map { $0 * 1e170 }, values(8, seed: 2).map { $0 * 1e170 }])
    let merge = try Merge(method: "none").decide(chain.adapter)
    #expect(throws: ReplayError.nonFiniteTerm(source: chain.path, block: "a")) {
      try chain.error(merge)
    }
  }
}
