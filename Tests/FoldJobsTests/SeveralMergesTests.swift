import Adapters
import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Merges by weights beside other adapters: none waits for ever, whatever the order and threads.
@Suite struct SeveralMergesTests {
  private static let folder = FixtureCase("synthetic/is-basic")

  /// A plain LoRA on the last block of a chain only, so that its weight is the first one touched.
  private func late(_ folder: TemporaryFolder) throws -> String {
    let base = try SafetensorsFile(path: SeveralMergesTests.folder.basePath)
    let adapter = try Adapter(path: SeveralMergesTests.folder.adapterPath)
    let block = try #require(adapter.blocks.last)
    #expect(base.index(of: TensorName(block.name.string + ".weight")) != nil)
    var generator = SeededGenerator(seed: 3)
    let prefix = "base_model.model.\(block.name)"
    try folder.write(
      tensors: [
        TestTensor(
          TensorName("\(prefix).lora_A.weight"), [2, block.inFeatures],
          values: generator.values(2 * block.inFeatures)),
        TestTensor(
          TensorName("\(prefix).lora_B.weight"), [block.outFeatures, 2],
          values: generator.values(2 * block.outFeatures)),
      ], to: "late/adapter_model.safetensors")
    try folder.write(text: PEFTTestFolder.config.text, to: "late/adapter_config.json")
    return folder.file("late")
  }

  @Test(
    "in any order, with any number of threads, the sum is the same to a rounding",
    arguments: [1, 2, 4])
  func order(_ threads: Int) throws {
    let folder = TemporaryFolder()
    _ = folder.folder("late")
    let late = try late(folder)
    let linked = SeveralMergesTests.folder.adapterPath
    let machine = FoldMachine(threads: threads)
    let outputs = try [[late, linked, linked], [linked, late, linked]].enumerated().map {
      number, adapters in
      var request = FoldRequest(
        adapters: adapters.map { .init(path: $0) }, base: SeveralMergesTests.folder.basePath,
        output: folder.file("out-\(number)-\(threads).safetensors"))
      request.method = "bw"
      _ = try FoldJob(request, on: machine).run(on: machine)
      return try SafetensorsFile(path: request.output)
    }
    for index in outputs[0].tensors.indices where outputs[0].tensors[index].dtype == .f32 {
      let values = try outputs.map { try $0.float64(of: index) }
      let differing = zip(values[0], values[1]).filter { abs($0 - $1) > 1e-5 * max(1, abs($0)) }
      #expect(differing.isEmpty, "\(outputs[0].tensors[index].name)")
    }
  }
}
