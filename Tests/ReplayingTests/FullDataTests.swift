import Activations
import Adapters
import ByteIO
import Merging
import Replaying
import Safetensors
import Tensors
import TestSupport
import Testing

/// Replays of the full real adapters: 1,024 tokens held out, 3,072 to fit on, the base in float32.
@Suite(
  .enabled(
    if: TestFiles.shared("data/minilm-reslora") != nil, "no ../shared beside the repository"))
struct FullDataTests {
  private func replay(
    _ structure: String
  ) throws -> (replay: Replay, inputs: MergeInputs, folder: String) {
    let root = try #require(TestFiles.shared("data/minilm-reslora"))
    let folder = "\(root)/\(structure)"
    let adapter = try Adapter(
      path: folder,
      overrides: AdapterOverrides(windows: try WindowsFile(path: "\(folder)/norm-windows.json")))
    let base = try SafetensorsFile(path: "\(root)/base.safetensors")
    func captured(_ name: String) throws -> CapturedInputs {
      try CapturedInputs(
        ActivationFile(path: "\(folder)/activations-\(name).safetensors"), for: adapter)
    }
    var replay = Replay(adapter: adapter, inputs: try captured("heldout"), base: base)
    replay.threads = 2
    let calibration = Calibration(try captured("calibration"))
    return (replay, MergeInputs(base: base, calibration: calibration, threads: 2), folder)
  }

  private func measure(
    _ replay: Replay, _ methods: [String], _ inputs: MergeInputs
  ) throws -> [ReplayResult] {
    try replay.run(
      methods.map { method in
        let merge = try Merge(method: method, inputs: inputs).decide(replay.adapter)
        return try ReplayCandidate(
          name: method, lora: merge.lora, of: replay.adapter, alpha: merge.blocks.map(\.alpha))
      })
  }

  @Test(
    "errors of every method and block equal their independent results to 1e-5",
    arguments: ["is", "bs", "ms"])
  func errors(_ structure: String) throws {
    let (replay, inputs, folder) = try replay(structure)
    let expected = try #require(
      try TestFiles.json("\(folder)/expected.json").object?["methods"]?.object
    ).members
    #expect(expected.count == (structure == "bs" ? 2 : 4))
    let results = try measure(replay, expected.map(\.key), inputs)
    for ((method, want), result) in zip(expected, results) {
      let want = try #require(want.object)
      #expect(result.tokens == 1024 && result.blocks.count == 12)
      expectFigure(
        result.meanDeltaError, want["mean_delta_error"], to: 1e-5, "\(method) mean")
      expectFigure(
        result.meanOutputError, want["mean_output_error"], to: 1e-5, "\(method) mean output")
      for block in result.blocks {
        let figures = want["blocks"]?.object?[block.name.string]?.object
        let what = "\(method) \(block.name)"
        expectFigure(block.deltaError, figures?["delta_error"], to: 1e-5, what)
        expectFigure(block.outputError, figures?["output_error"], to: 1e-5, "\(what) output")
      }
    }
  }

  @Test(
    "calibrated is as good as it was found to be, on many tokens and on few",
    arguments: [("is", 3072, 0.086), ("is", 256, 0.115), ("ms", 3072, 0.140), ("ms", 256, 0.185)])
  func calibrated(_ structure: String, _ tokens: Int, _ most: Double) throws {
    var (replay, inputs, folder) = try replay(structure)
    let file = try ActivationFile(path: "\(folder)/activations-calibration.safetensors")
    inputs.calibration = Calibration(
      try CapturedInputs(file, for: replay.adapter, tokens: tokens))
    replay.base = nil
    let result = try measure(replay, ["calibrated"], inputs)[0]
    let error = try #require(result.meanDeltaError)
    #expect(error <= most, "\(error)")
  }
}
