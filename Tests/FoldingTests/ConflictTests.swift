import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// Adapters that can't be folded truthfully together, and tensors that are one in the model.
@Suite struct ConflictTests {
  private func base() throws -> MemoryTensorSource {
    try .random([("a.weight", .f32, [12, 18]), ("b.weight", .f32, [12, 18])])
  }

  private func error(_ inputs: [[TestUpdate]], weights: [Double]) throws -> FoldPlanError? {
    let inputs = zip(inputs, weights).map {
      FoldInput(label: "x", updates: $0.map(\.update), weight: $1)
    }
    do {
      _ = try FoldPlan(base: base(), inputs: inputs, settings: FoldSettings())
      return nil
    } catch let error as FoldPlanError {
      return error
    }
  }

  @Test("DoRA and another adapter on one weight are refused by name, in either order")
  func magnitudes() throws {
    let dora = TestUpdate.rescaled("a", 12, 18, per: .row)
    let lora = TestUpdate.sum(.product, "a", 12, 18)
    let refusal = FoldPlanError.notAdditive(weight: "a.weight", kind: "DoRA")
    #expect(try error([[dora], [lora]], weights: [1, 1]) == refusal)
    #expect(try error([[lora], [dora]], weights: [1, 1]) == refusal)
    #expect(try error([[dora], [dora]], weights: [1, 1]) == refusal)
    #expect("\(refusal)".contains("a.weight"))
    // On another weight they do not meet.
    let other = TestUpdate.sum(.product, "b", 12, 18)
    #expect(try error([[dora], [other]], weights: [1, 0.5]) == nil)
  }

  @Test("a replaced tensor and another adapter's update are refused by name")
  func replacements() throws {
    let saved = try TestUpdate.replaced("a.weight", [12, 18])
    let lora = TestUpdate.sum(.product, "a", 12, 18)
    let refusal = FoldPlanError.notAdditive(weight: "a.weight", kind: "modules_to_save")
    #expect(try error([[saved], [lora]], weights: [1, 1]) == refusal)
    #expect(try error([[lora], [saved]], weights: [1, 1]) == refusal)
  }

  @Test("what is no sum has no weight")
  func weights() throws {
    let dora = TestUpdate.rescaled("a", 12, 18, per: .column)
    let saved = try TestUpdate.replaced("a.weight", [12, 18])
    #expect(
      try error([[dora]], weights: [0.5])
        == .notScalable(weight: "a.weight", kind: "DoRA"))
    #expect(
      try error([[saved]], weights: [2])
        == .notScalable(weight: "a.weight", kind: "modules_to_save"))
    #expect(try error([[dora]], weights: [1]) == nil)
  }

  // MARK: Tied embeddings

  private static let tie = TiedTensors(
    embedding: "model.embed_tokens.weight", output: "lm_head.weight")

  private func tied(_ names: [TensorName]) throws -> MemoryTensorSource {
    // Both names hold the same values.
    let own = try MemoryTensorSource.random([("x", .bf16, [40, 6])])
    return MemoryTensorSource(
      label: "base",
      tensors: try names.map {
        (try TensorInfo(name: $0, dtype: .bf16, shape: [40, 6]), try own.bytes(of: 0))
      })
  }

  private func fold(_ names: [TensorName], _ adapters: [[TestUpdate]]) throws -> FoldedBase {
    try FoldedBase(
      tied(names), adapters.map { FoldInput(label: "x", updates: $0.map(\.update)) },
      FoldSettings(ties: [Self.tie]))
  }

  @Test(
    "one stored name takes updates of either",
    arguments: [tie.embedding, tie.output], ["model.embed_tokens", "lm_head"] as [TensorName])
  func oneStored(_ stored: TensorName, _ module: TensorName) throws {
    let update = TestUpdate.sum(.product, module, 40, 6)
    let folded = try fold([stored], [[update]])
    try folded.expect(stored, is: update.applied(folded.before(stored), 1), butFor: 0.01)
    #expect(folded.sink.tensors.map(\.name) == [stored])
  }

  @Test(
    "of two stored names both change alike",
    arguments: ["model.embed_tokens", "lm_head"] as [TensorName])
  func bothStored(_ module: TensorName) throws {
    let update = TestUpdate.sum(.product, module, 40, 6)
    let folded = try fold([Self.tie.embedding, Self.tie.output], [[update]])
    let wanted = update.applied(try folded.before(Self.tie.output), 1)
    try folded.expect(Self.tie.output, is: wanted, butFor: 0.01)
    #expect(try folded.bytes(Self.tie.embedding) == folded.bytes(Self.tie.output))
    #expect(folded.report.tensorsChanged == 2)
  }

  @Test("without a tie only the named one changes")
  func untied() throws {
    let update = TestUpdate.sum(.product, "lm_head", 40, 6)
    let base = try tied([Self.tie.embedding, Self.tie.output])
    let folded = try FoldedBase(base, [update])
    #expect(try folded.bytes(Self.tie.embedding) == base.bytes(of: 0))
    #expect(folded.report.tensorsChanged == 1)
  }

  @Test("names that change each in its own way are refused")
  func bothChange() throws {
    let updates = ["model.embed_tokens", "lm_head"].enumerated().map {
      TestUpdate.sum(.product, TensorName($1), 40, 6, seed: UInt64($0))
    }
    #expect(
      throws: FoldPlanError.tieBroken(embedding: Self.tie.embedding, output: Self.tie.output)
    ) { try fold([Self.tie.embedding, Self.tie.output], [updates]) }
    // The same where one is stored, and both updates want it.
    #expect(
      throws: FoldPlanError.tieBroken(embedding: Self.tie.embedding, output: Self.tie.output)
    ) { try fold([Self.tie.embedding], [updates]) }
  }

  @Test("tied tensors of different shapes are refused, whichever changes")
  func tiedShapes() throws {
    for rows in [8, 64] {
      let base = try MemoryTensorSource.random([
        ("embed_tokens.weight", .f32, [32, 16]), ("lm_head.weight", .f32, [rows, 16]),
      ])
      let settings = FoldSettings(ties: [
        TiedTensors(embedding: "embed_tokens.weight", output: "lm_head.weight")
      ])
      let update = TestUpdate.sum(.product, "embed_tokens", 32, 16)
      #expect(
        throws: FoldPlanError.tieShapes(
          embedding: "embed_tokens.weight", output: "lm_head.weight", found: [rows, 16],
          expected: [32, 16])
      ) {
        try FoldPlan(
          base: base, inputs: [FoldInput(label: "x", updates: [update.update])], settings: settings)
      }
    }
  }

  @Test("both names of a tie that is stored once, by two adapters, are refused")
  func tiedNames() throws {
    let base = try MemoryTensorSource.random([("embed_tokens.weight", .f32, [32, 16])])
    let settings = FoldSettings(ties: [
      TiedTensors(embedding: "embed_tokens.weight", output: "lm_head.weight")
    ])
    let inputs = ["embed_tokens", "lm_head"].map { name in
      FoldInput(label: "x", updates: [TestUpdate.sum(.product, TensorName(name), 32, 16).update])
    }
    let refusal = FoldPlanError.tieBroken(
      embedding: "embed_tokens.weight", output: "lm_head.weight")
    #expect(throws: refusal) { try FoldPlan(base: base, inputs: inputs, settings: settings) }
    // One adapter with both names is told the same.
    let both = FoldInput(label: "x", updates: inputs.flatMap(\.updates))
    #expect(throws: refusal) { try FoldPlan(base: base, inputs: [both], settings: settings) }
    // Twice the same name is a sum.
    #expect(throws: Never.self) {
      try FoldPlan(base: base, inputs: [inputs[1], inputs[1]], settings: settings)
    }
  }
}
