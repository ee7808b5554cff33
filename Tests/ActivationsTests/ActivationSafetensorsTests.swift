import Activations
import Adapters
import ByteIO
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Activations in safetensors (Activations §1, §2).
@Suite struct ActivationSafetensorsTests {
  private let test = TestActivations()

  @Test("what the file says, several blocks sharing one input")
  func reads() throws {
    let file = try ActivationFile(path: test.safetensors())
    #expect(file.format == "activations in safetensors")
    #expect(file.tokens == 5)
    #expect(file.inputs.map(\.block) == ["q", "up", "v"])
    #expect(
      file.inputs.map { file.matrices.tensors[$0.matrix].name } == [
        "layer 0", "layer 1", "layer 0",
      ])
    #expect(file.metadata.map(\.key) == ["run"])
    #expect(file.metadata.map(\.value) == ["7"])
    let first = try #require(file.matrices.index(of: "layer 0"))
    #expect(file.matrices.tensors[first].shape == [5, 3])
    #expect(try file.matrices.float64(of: first) == (1...15).map(Double.init))
  }

  @Test(
    "a map that is none (§2)",
    arguments: [
      ("", ActivationError.Reason.json(JSONError(reason: .unexpectedEnd, offset: 0))),
      (
        #"{"q": "layer 0", "q": "layer 1"}"#,
        .json(JSONError(reason: .duplicateKey("q"), offset: 31))
      ),
      ("{}x", .json(JSONError(reason: .trailingText, offset: 2))),
      ("[]", .badMap), ("null", .badMap), (#"{"q": 0}"#, .badMap), (#"{"q": null}"#, .badMap),
      (#"{"q": {"input": "layer 0"}}"#, .badMap),
    ])
  func map(_ text: String, _ reason: ActivationError.Reason) throws {
    TestActivations.expectRefused(
      try test.safetensors(inputs: text), reason, rule: "Activations §2")
  }

  @Test("every tensor is named by a block, and every name is a tensor (§2)")
  func names() throws {
    func expect(_ map: String, _ reason: ActivationError.Reason) throws {
      TestActivations.expectRefused(
        try test.safetensors(inputs: map), reason, rule: "Activations §1")
    }
    try expect("{}", .unnamedMatrices(["layer 0", "layer 1"]))
    try expect(#"{"q": "layer 0"}"#, .unnamedMatrices(["layer 1"]))
    try expect(
      #"{"q": "layer 0", "up": "layer 1", "x": "layer 2"}"#,
      .unknownMatrix(block: "x", found: "layer 2"))
    // By their bytes: composed and decomposed are two names.
    let tensors = [TestTensor("\u{e9}", [1, 1])]
    TestActivations.expectRefused(
      try test.safetensors(tensors, inputs: "{\"q\": \"e\u{301}\"}"),
      .unknownMatrix(block: "q", found: "e\u{301}"), rule: "Activations §1")
  }

  static let tensorRows: [(tensor: TestTensor, reason: ActivationError.Reason)] = [
    (TestTensor("x", [5]), .notAMatrix("x", found: [5])),
    (TestTensor("x", []), .notAMatrix("x", found: [])),
    (TestTensor("x", [5, 1, 1]), .notAMatrix("x", found: [5, 1, 1])),
    (TestTensor("x", [5, 0]), .notAMatrix("x", found: [5, 0])),
    (TestTensor("x", [5, 1], dtype: .i32), .unusableDType("x", found: .i32)),
    (TestTensor("x", [5, 1], dtype: .u8), .unusableDType("x", found: .u8)),
    (TestTensor("x", [5, 1], dtype: .f8E4M3), .unusableDType("x", found: .f8E4M3)),
  ]

  @Test("matrices [tokens, features] of four dtypes (§1)", arguments: tensorRows.indices)
  func tensors(_ number: Int) throws {
    let row = Self.tensorRows[number]
    TestActivations.expectRefused(
      try test.safetensors([row.tensor], inputs: #"{"q": "x"}"#), row.reason,
      rule: "Activations §1")
  }

  @Test("all four dtypes in one file", arguments: [DType.f64, .f32, .f16, .bf16])
  func dtypes(_ dtype: DType) throws {
    let file = try ActivationFile(
      path: test.safetensors([TestTensor("x", [2, 2], dtype: dtype)], inputs: #"{"q": "x"}"#))
    #expect(file.matrices.tensors.map(\.dtype) == [dtype])
    #expect(try file.matrices.float64(of: 0) == [1, 2, 3, 4])
  }

  @Test("the same number of tokens everywhere (§1)", arguments: [4, 6, 0])
  func tokens(_ count: Int) throws {
    // Files list tensors of the same dtype by name.
    let tensors = [TestTensor("a", [5, 2]), TestTensor("b", [count, 2])]
    TestActivations.expectRefused(
      try test.safetensors(tensors, inputs: #"{"q": "a", "v": "b"}"#),
      .tokensDiffer("b", found: count, expected: 5), rule: "Activations §1")
  }

  @Test("no token at all is a file of activations, no matrix is none (§1)")
  func empty() throws {
    let tensors = [TestTensor("a", [0, 2]), TestTensor("b", [0, 3])]
    let file = try ActivationFile(
      path: test.safetensors(tensors, inputs: #"{"q": "a", "v": "b"}"#))
    #expect(file.tokens == 0)
    #expect(file.matrices.byteCount == 0)
    #expect(try file.matrices.float64(of: 1) == [])
    TestActivations.expectRefused(
      try test.safetensors([], inputs: "{}"), .noMatrices, rule: "Activations §1")
  }

  @Test("names of 1 to 4096 bytes without U+0000 (Adapter §1.2)")
  func badNames() throws {
    let long = String(repeating: "x", count: 4097)
    for name in ["", long, "a\0b"] {
      let text = name == "a\0b" ? #"a\u0000b"# : name
      let block = #expect(throws: ContentError.self) {
        try ActivationFile(
          path: test.safetensors([TestTensor("m", [1, 1])], inputs: "{\"\(text)\": \"m\"}"))
      }
      #expect(block?.reason == .badName(name))
      #expect(block?.owner == "block")
      #expect(block?.rule == "Adapter §1.2")
    }
  }

  @Test("metadata as of an adapter (Adapter §1.7)")
  func metadata() throws {
    let error = #expect(throws: ContentError.self) {
      try ActivationFile(path: test.safetensors(metadata: [("", "x")]))
    }
    #expect(error?.reason == .badMetadata(key: ""))
    #expect(error?.rule == "Adapter §1.7")
  }

  @Test("a safetensors file without 'inputs' holds no activations")
  func otherFile() throws {
    let path = try test.folder.write(tensors: TestActivations.matrices, to: "x")
    TestActivations.expectRefused(path, .notActivations, rule: "Activations §1")
  }

  @Test("every broken rule is listed once")
  func all() throws {
    let tensors = [
      TestTensor("a", [5, 2]), TestTensor("b", [4, 2]), TestTensor("c", [5]),
      TestTensor("d", [5, 1], dtype: .i32),
    ]
    let path = try test.safetensors(
      tensors, inputs: #"{"q": "a", "v": "e", "": "b"}"#, metadata: [("", "")])
    let found = try TestActivations.violations(path)
    #expect(
      found == [
        "tensor 'b': another number of tokens than the first (found 4, expected 5) "
          + "[Activations §1]",
        "tensor 'c': not a matrix (found shape [5], expected [tokens, features], features not 0) "
          + "[Activations §1]",
        "tensor 'd': not a dtype to compute with (found I32, expected F64, F32, F16 or BF16) "
          + "[Activations §1]",
        "block: bad name '' (expected 1 to 4096 bytes without U+0000) [Adapter §1.2]",
        "block 'v': its input is not in the file (found 'e') [Activations §1]",
        "2 matrices are no block's input: 'c', 'd' [Activations §1]",
        "bad metadata '' (expected a key that is not empty, no U+0000) [Adapter §1.7]",
      ])
    // What a map that can't be read leaves unnamed is not listed.
    #expect(
      try TestActivations.violations(test.safetensors(inputs: "[]")) == [
        "metadata 'inputs' is no JSON object of block to tensor [Activations §2]"
      ])
  }
}
