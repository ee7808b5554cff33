import ByteIO
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import FoldJobs
import Folding

/// The undo of real folds: what it takes on the disk, and that it gives the base back.
@Suite struct UndoOfFoldTests {
  @Test(
    "a bf16 fold's undo is small where the delta is",
    arguments: zip([1e-6, 1e-5, 1e-4, 1e-3], [0.02, 0.11, 0.29, 0.53]))
  func size(_ delta: Double, _ bound: Double) throws {
    let (count, rank) = (512, 8)
    var generator = SeededGenerator(seed: 9)
    let weights = (0..<(count * count)).map { _ in
      // Twelve uniform numbers add up to a nearly normal one.
      0.02 * (0..<12).reduce(0.0) { sum, _ in sum + .random(in: -0.5..<0.5, using: &generator) }
    }
    let info = try TensorInfo(name: "a.weight", dtype: .bf16, shape: [count, count])
    let folder = TemporaryFolder()
    let path = folder.file("base.safetensors")
    try SafetensorsWriter.write(
      MemoryTensorSource(
        label: "base", tensors: [(info, Conversion.bytes(from: weights, dtype: .bf16))]),
      metadata: [], to: path, replacing: false)
    let base = try SafetensorsFile(path: path)
    // Uniform factors: their products have a standard deviation of a third of √r.
    let lora = MemoryLoRA(
      [("a", count, count, rank)], scaling: 1, magnitude: 3 * delta / Double(rank).squareRoot())
    let plan = try FoldPlan(base: base, lora: lora, dtype: nil, allowingUnmatched: false)
    let folded = folder.file("folded.safetensors")
    let writer = try SafetensorsWriter(
      path: folded, layout: SafetensorsLayout(preserving: base.header), replacing: false)
    let report = try Fold(threads: 2).run(plan, into: writer)
    try writer.commit()
    #expect(agree(report.blocks[0].deltaNorm, delta * Double(count), to: 0.2))

    let result = try SafetensorsFile(path: folded)
    let undo = try UndoWriter(
      path: folder.file("base.undo"), base: UndoBase(file: base), replacing: false)
    try base.bytes(of: 0).withUnsafeBytes { before in
      try result.bytes(of: 0).withUnsafeBytes {
        try undo.record(
          tensor: info.name, elementWidth: 2, offset: 0, before: before, after: $0)
      }
    }
    let summary = try undo.finish(digests: UndoBase.digests(of: [base.file], threads: 1))
    #expect(summary.tensorsChanged == 1)
    #expect(Double(summary.size) < bound * Double(info.byteCount) + 1000)
    let restored = folder.file("restored.safetensors")
    try Restoration(UndoFile(path: folder.file("base.undo")), from: result)
      .run(to: restored, replacing: false, threads: 2)
    #expect(try FileSystem.contents(restored) == FileSystem.contents(path))
  }
}
