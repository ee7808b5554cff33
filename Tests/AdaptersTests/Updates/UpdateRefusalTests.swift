import Adapters
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// What the base has to decide (Updates §6.3), and what can't be folded truthfully (Updates §5).
@Suite struct UpdateRefusalTests {
  private func updates(_ folder: PEFTTestFolder) throws -> AdapterUpdates {
    try #require(try AdapterUpdates(path: folder.path))
  }

  private func base(_ tensors: [TestTensor]) throws -> MemoryTensorSource {
    try MemoryTensorSource(tensors, label: "base")
  }

  private static let experts: KeyValuePairs<String, String?> = [
    "target_parameters": #"["experts.up", "experts.down"]"#
  ]

  private func experts(in inputs: Int, out outputs: Int) throws -> PEFTTestFolder {
    try PEFTTestFolder(
      TestTensor.peft("experts", in: inputs, out: outputs, rank: 6)
        + TestTensor.peft("experts.base_layer", in: outputs, out: inputs, rank: 6),
      config: UpdateRefusalTests.experts)
  }

  @Test("parameters are told by their shapes, either way round")
  func parameters() throws {
    let updates = try updates(experts(in: 4, out: 5))
    #expect(!updates.isPlain)
    // The outer pair is of A [·, 4] and B [5, ·], the inner one the other way round.
    for (up, down) in [([3, 5, 6], [3, 5, 4]), ([3, 5, 4], [3, 9, 4])] {
      let base = try base([TestTensor("experts.up", up), TestTensor("experts.down", down)])
      // One of both fits nowhere: everything is left for the match to report.
      #expect(try updates.fitted(to: base).updates.count == 6)
      #expect(throws: BaseMatchError.self) { try AppliedUpdates.apply(updates, to: base) }
    }
    let folder = try PEFTTestFolder(
      TestTensor.peft("experts", in: 4, out: 5, rank: 6), config: UpdateRefusalTests.experts)
    for (name, shape) in [("experts.down", [3, 5, 4]), ("experts.up", [3, 4, 5])] {
      let base = try base([TestTensor(TensorName(name), shape)])
      let fitted = try self.updates(folder).fitted(to: base)
      #expect(fitted.updates.map(\.module) == [TensorName](repeating: TensorName(name), count: 3))
      #expect(fitted.updates.allSatisfy { $0.shape == shape })
      #expect(fitted.updates.map(\.expert) == [0, 1, 2])
      #expect(throws: Never.self) { try AppliedUpdates.apply(fitted, to: base) }
    }
  }

  @Test("parameters that the shapes leave open are refused by name")
  func ambiguousParameters() throws {
    let updates = try updates(experts(in: 4, out: 4))
    let base = try base([
      TestTensor("experts.up", [3, 4, 4]), TestTensor("experts.down", [3, 4, 4]),
    ])
    let error = #expect(throws: AdapterError.self) { try updates.fitted(to: base) }
    #expect(
      error?.description
        == "module 'experts.up': the base's shapes leave open which parameters its "
        + "2 pairs belong to, or which way round")
  }

  @Test("square layers beside layers that give the config the lie")
  func orientation() throws {
    let folder = try PEFTTestFolder(
      TestTensor.peft("a.x", in: 4, out: 6) + TestTensor.peft("b.x", in: 4, out: 4)
        + TestTensor.peft("c.y", in: 4, out: 4))
    let updates = try updates(folder)
    #expect(updates.isPlain)
    let square = [TestTensor("b.x.weight", [4, 4]), TestTensor("c.y.weight", [4, 4])]
    let agreeing = try updates.fitted(to: base([TestTensor("a.x.weight", [6, 4])] + square))
    #expect(agreeing.updates.map(\.shape) == [[6, 4], [4, 4], [4, 4]])
    // b.x is as a.x is; of c.y nothing is known.
    let error = #expect(throws: AdapterError.self) {
      try updates.fitted(to: base([TestTensor("a.x.weight", [4, 6])] + square))
    }
    #expect(
      error?.description
        == "module 'c.y': the weight is square, and fan_in_fan_out of the config is "
        + "wrong for other layers, so that it may be either way round")
    let two = try PEFTTestFolder(
      TestTensor.peft("a.x", in: 4, out: 6) + TestTensor.peft("b.x", in: 4, out: 4))
    let fitted = try self.updates(two).fitted(
      to: base([TestTensor("a.x.weight", [4, 6]), square[0]]))
    guard case .add(let load) = fitted.updates[1].action,
      case .product(let factors) = try load(false)
    else {
      Issue.record("no pair")
      return
    }
    // Transposed: what is B there is A in the file, unscaled.
    #expect(factors.b.transposed.values == (1...8).map(Double.init))
  }

  @Test("a convolution in groups shows by its B")
  func groups() throws {
    let folder = try PEFTTestFolder([
      TestTensor("conv.lora_A.weight", [2, 3, 3, 3]),
      TestTensor("conv.lora_B.weight", [4, 1, 1, 1]),
    ])
    #expect(
      throws: AdapterError.unfitTensor(
        source: folder.tensorPath, tensor: "conv.lora_B.weight", found: [4, 1, 1, 1],
        expected: "[4, 2, 1, 1] as 'conv.lora_A.weight' has 2 rows; grouped convolutions are not "
          + "read")
    ) { try updates(folder) }
  }

  @Test("few stored elements that would become very many")
  func bombs() throws {
    let loKr = try PEFTTestFolder(
      [
        TestTensor("q.lokr_w1", [1, 1]), TestTensor("q.lokr_w2_a", [20_000, 1]),
        TestTensor("q.lokr_w2_b", [1, 20_000]),
      ], config: ["peft_type": #""LOKR""#, "alpha": "1", "r": "1"])
    #expect(
      throws: AdapterError.factorTooLarge(
        source: loKr.tensorPath, tensor: "q.lokr_w2_a", found: 400_000_000)
    ) { try updates(loKr) }
    let experts = try PEFTTestFolder(
      TestTensor.peft("e", in: 1, out: 1, rank: 70_000),
      config: ["target_parameters": #"["e.w"]"#, "r": "1"])
    #expect(
      throws: AdapterError.unfitTensor(
        source: experts.tensorPath, tensor: "base_model.model.e.lora_A.weight",
        found: [70_000, 1], expected: "at most 65536 experts")
    ) { try updates(experts) }
  }

  @Test("a magnitude or a bias that is missing")
  func missing() throws {
    for (key, expected) in [
      ("use_dora", "lora_magnitude_vector, as use_dora is set"),
      ("lora_bias", "lora_B.bias, as lora_bias is set"),
    ] {
      let folder = try PEFTTestFolder(TestTensor.peft("q"), config: [key: "true"])
      #expect(
        throws: AdapterError.missingTensor(
          source: folder.tensorPath, block: "q", expected: expected)
      ) { try updates(folder) }
    }
  }

  @Test("tensors that the config does not speak of are listed")
  func unexpected() throws {
    let names: [TensorName] = ["q.lora_B.bias", "q.lora_magnitude_vector", "score.weight"]
    let folder = try PEFTTestFolder(TestTensor.peft("q") + names.map { TestTensor($0, [4]) })
    let error = #expect(throws: SidecarError.self) { try updates(folder) }
    #expect(error?.reason == .unexpectedTensors(names))
  }

  @Test("a DoRA of a weight that is saved with it")
  func savedWeight() throws {
    let folder = try PEFTTestFolder(
      TestTensor.peft("q") + [
        TestTensor("q.lora_magnitude_vector", [4]), TestTensor("q.base_layer.weight", [4, 4]),
      ], config: ["use_dora": "true"])
    let error = #expect(throws: SidecarError.self) { try updates(folder) }
    #expect(
      error?.reason
        == .unsupported(
          "use_dora is set and the weight of 'q' is saved too", advice: "merge it with PEFT"))
  }

  @Test("a tensor is for one update, a stack for one of each expert; dtypes only if allowed")
  func shared() throws {
    func wanted(_ expert: Int?) -> BaseMatch.Wanted {
      BaseMatch.Wanted(
        WeightUpdate(
          module: "x", parameter: .itself, shape: [3, 2, 2], expert: expert,
          action: .add { _ in .dense(Matrix(rows: 2, columns: 2)) }, kind: "LoRA",
          loadedElements: 4))
    }
    let base = try base([TestTensor("x", [3, 2, 2])])
    let match = try BaseMatch([wanted(0), wanted(2)], in: base, allowingUnmatched: false)
    #expect(match.weights == [0, 0])
    for pair in [[0, 0], [nil, 1], [1, nil], [nil, nil]] as [[Int?]] {
      let error = #expect(throws: BaseMatchError.self) {
        try BaseMatch(pair.map(wanted), in: base, allowingUnmatched: false)
      }
      #expect(error?.faults == [.sharedWeight(block: "x", other: "x", weight: "x")])
    }
    let small = try self.base([TestTensor("x", [3, 2, 2], dtype: .f8E4M3)])
    let allowed = BaseMatch.arithmeticDTypes.union([.f8E4M3])
    #expect(throws: BaseMatchError.self) {
      try BaseMatch([wanted(0)], in: small, allowingUnmatched: false)
    }
    #expect(
      try BaseMatch([wanted(0)], in: small, allowingUnmatched: false, allowedDTypes: allowed)
        .weights == [0])
  }
}
