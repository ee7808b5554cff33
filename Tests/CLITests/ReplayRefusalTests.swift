import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// What `verify`, and `merge` and `fold` with captured inputs, refuse: the whole line, the exit
/// status, and nothing created.
@Suite struct ReplayRefusalTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let status: Int32
    let message: String
    let arguments: [String]
    var fixture = "synthetic/is-basic"
    /// Makes files that the fixture does not have.
    var prepare: @Sendable (TemporaryFolder) throws -> Void = { _ in }
    var testDescription: String { arguments.joined(separator: " ") }

    init(
      _ status: Int32, _ message: String, _ arguments: [String],
      in fixture: String = "synthetic/is-basic",
      prepare: @escaping @Sendable (TemporaryFolder) throws -> Void = { _ in }
    ) {
      self.status = status
      self.message = message
      self.arguments = arguments
      self.fixture = fixture
      self.prepare = prepare
    }
  }

  /// A case for captured inputs that are broken in one way, as those measured on and as those
  /// fitted on; the name of the file stands for FILE in the message.
  private static func broken(
    _ status: Int32, _ message: String,
    _ change: @escaping @Sendable (inout CapturedSketch) -> Void
  ) -> [Case] {
    let prepare: @Sendable (TemporaryFolder) throws -> Void = { folder in
      var sketch = try CapturedSketch(folder.file("activations-heldout.safetensors"))
      change(&sketch)
      try sketch.write(to: "broken.safetensors", in: folder)
    }
    let broken = "broken.safetensors"
    return [
      ["verify", "adapter", "--activations", broken, "--method", "none", "--html", "page.html"],
      ["verify", "adapter", "--method", "calibrated", "--calibration", broken] + heldOut,
      ["merge", "adapter", "--method", "ls", "--calibration", broken],
      ["merge", "adapter", "--method", "none", "--rank", "2", "--calibration", broken],
      [
        "fold", "adapter", "--method", "calibrated", "--calibration", broken, "--into",
        "base.safetensors",
      ],
    ].map { Case(status, message, $0, prepare: prepare) }
  }

  private static let data: [Case] =
    broken(
      3,
      "broken.safetensors: no inputs of 2 blocks: 'model.layers.3.self_attn.q_proj', "
        + "'model.layers.3.self_attn.v_proj'; nearest to the first: "
        + "'model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj'; capture the "
        + "inputs of every adapted linear of this very adapter"
    ) {
      $0.blocks.removeAll { $0.block.contains(".3.") }
      $0.matrices.remove(at: 3)
    }
    + broken(
      3,
      "broken.safetensors: tensor 'model.layers.1.self_attn': not the input of block "
        + "'model.layers.1.self_attn.q_proj' (found 6 features, expected 12)"
    ) {
      $0.matrices[1].shape = [48, 6];
      for index in [0, 2, 3, 4] {
        $0.matrices[index].values += $0.matrices[index].values
        $0.matrices[index].shape[0] = 48
      }
    }
    + broken(
      3,
      "broken.safetensors: tensor 'model.layers.2.self_attn': another number of tokens than the "
        + "first (found 23, expected 24) [Activations §1]"
    ) { $0.cut(2, to: 23) }
    + broken(
      3,
      "broken.safetensors: tensor 'model.layers.2.self_attn': row 5 is not finite; capture it "
        + "again, or pass --allow-nonfinite to go on"
    ) { $0.set(2, row: 5, column: 3, to: .nan) }
    + broken(
      3,
      "broken.safetensors: tensor 'model.layers.0.self_attn': row 23 is not finite; capture it "
        + "again, or pass --allow-nonfinite to go on"
    ) { $0.set(0, row: 23, column: 11, to: -.infinity) }
    + broken(3, "broken.safetensors: no tokens in it (found matrices of 0 rows)") {
      $0 = $0.taking(0)
    }

  /// What is no activations, given as those measured on and as those fitted on.
  private static let others: [Case] =
    ["adapter", "base.safetensors", "expected.json"].flatMap { path in
      [
        ["verify", "adapter", "--method", "none", "--activations", path],
        ["verify", "adapter", "--method", "ls", "--calibration", path] + heldOut,
        ["merge", "adapter", "--method", "calibrated", "--calibration", path],
        [
          "fold", "adapter", "--method", "auto", "--calibration", path, "--into",
          "base.safetensors",
        ],
      ].map {
        Case(
          3,
          // Of a folder, the first file that is none.
          (path == "adapter" ? "adapter/pytorch_model_lora.bin" : path)
            + ": no activations (expected a safetensors file with 'inputs' in its metadata, or HDF5 "
            + "as 'convert' and the Python package write it) [Activations §1]", $0)
      }
    } + [
      Case(
        3, "nowhere: can't open: No such file or directory",
        ["verify", "adapter", "--activations", "nowhere"])
    ]

  private static let verify = ["verify", "adapter"] + heldOut
  private static let merge = ["merge", "adapter"]
  private static let fold = ["fold", "adapter", "--into", "base.safetensors"]
  private static func help(_ command: String) -> String { "; see 'resloratool \(command) --help'" }

  private static let commands = [("verify", verify), ("merge", merge), ("fold", fold)]

  private static let counts: [Case] = {
    var cases = [
      Case(
        2,
        "activations-heldout.safetensors: fewer tokens than asked for (found 24, expected at least "
          + "25)", verify + ["--method", "none", "--tokens", "25"]),
      Case(2, "--tokens must be 1 or more" + help("verify"), verify + ["--tokens", "0"]),
      Case(
        3,
        "activations-calibration.safetensors: too few calibration tokens (found 1, expected at least 2); capture more",
        merge + calibration + ["--method", "auto", "--calibration-tokens", "1"]),
    ]
    for (name, command) in commands {
      let fitted = command + calibration + ["--method", "ls", "--calibration-tokens"]
      for count in ["0", "-1", "16,,48", "many"] {
        cases.append(
          Case(
            2, "The value '\(count)' is invalid for '--calibration-tokens <n>'" + help(name),
            fitted.dropLast() + ["--calibration-tokens=\(count)"]))
      }
      cases.append(
        Case(
          2,
          "activations-calibration.safetensors: fewer tokens than asked for (found 48, expected at "
            + "least 49)", fitted + ["49"]))
      guard name != "verify" else { continue }
      cases.append(
        Case(
          2, "--calibration-tokens takes one number here; verify compares several" + help(name),
          fitted + ["16,48"]))
    }
    return cases
  }()

  private static let methods: [Case] = {
    var cases = [
      Case(
        2,
        "'exact' is not for input-shortcut adapters: no weights compute what their shortcut "
          + "does exactly; use --method bw (needs --base) or bi (needs norm windows)",
        verify + ["--method", "exact"]),
      Case(2, "--max-error must be 0 or more" + help("verify"), verify + ["--max-error", "nan"]),
      Case(
        2, "Missing expected argument '--activations <file>'" + help("verify"),
        ["verify", "adapter"]),
    ]
    for (name, command) in commands {
      for method in ["ls", "calibrated", "auto"] {
        cases.append(
          Case(
            2,
            "method \(method) is fitted on captured inputs; pass --calibration FILE (activations, "
              + "in safetensors or HDF5)", command + ["--method", method]))
        let fitted = command + calibration + ["--method", method]
        cases.append(
          Case(
            2, "the published code has no method \(method); leave --compat out",
            fitted + ["--compat", "lmops"]))
        cases.append(
          Case(
            2,
            "the adapter is a plain LoRA, which has no shortcut to merge by '\(method)'; leave "
              + "--method out or pass --method none", fitted, in: "synthetic/plain"))
      }
      let unfitted = command + ["--method", "none"]
      for option in [["--penalty", "1"], ["--calibration-tokens", "1"]] {
        cases.append(
          Case(
            2, "--calibration-tokens and --penalty go with --calibration FILE" + help(name),
            unfitted + option))
      }
      for penalty in ["0", "-1", "nan", "1e-11"] {
        cases.append(
          Case(
            2, "--penalty must be 1e-10 or more" + help(name),
            command + calibration + ["--method", "calibrated", "--penalty", penalty]))
      }
    }
    return cases
  }()

  /// A plain LoRA for some of the blocks, or of other shapes.
  private static func lora(
    _ modules: [(String, in: Int, out: Int)]
  ) -> @Sendable (TemporaryFolder) throws -> Void {
    { folder in
      try MemoryLoRA(modules.map { (TensorName($0.0), $0.out, $0.in, 2) }).write(
        to: folder.file("lora"), as: .peft, dtype: nil, options: .init(replacing: false))
    }
  }

  private static let blocks = (0..<5).flatMap { layer in
    [("q", 8), ("v", 6)].map { kind, out in
      ("model.layers.\(layer).self_attn.\(kind)_proj", in: 12, out: out)
    }
  }

  private static let merged: [Case] = [
    Case(
      2, "--folded needs the weights before: --base" + help("verify"),
      verify + ["--folded", "base.safetensors"]),
    Case(
      2, "--folded goes with one merge: the one that was folded" + help("verify"),
      verify + onBase
        + ["--folded", "folded-bw.safetensors", "--method", "bw", "--method", "none"]),
    Case(
      2, "--folded goes with one merge: the one that was folded" + help("verify"),
      verify + onBase
        + ["--folded", "folded-bw.safetensors", "--method", "bw", "--merged", "lora"]),
    Case(
      2, "--folded goes with one merge: the one that was folded" + help("verify"),
      verify + onBase + calibration
        + ["--folded", "folded-bw.safetensors", "--calibration-tokens", "16,48"]),
    Case(
      2, "--merged takes a plain LoRA, and adapter has shortcuts" + help("verify"),
      verify + ["--merged", "adapter"]),
    Case(
      3,
      "base.safetensors: no adapter (found a checkpoint, expected a PEFT folder, a published "
        + "ResLoRA checkpoint, or a .reslora, HDF5 or safetensors file of ours)",
      verify + ["--merged", "base.safetensors"]),
    Case(
      3,
      "lora: not merged from this adapter: it lacks 'model.layers.0.self_attn.q_proj', "
        + "'model.layers.0.self_attn.v_proj'", verify + ["--merged", "lora"],
      prepare: lora(Array(blocks.dropFirst(2)))),
    Case(
      3, "lora: not merged from this adapter: the adapter lacks 'lm_head'",
      verify + ["--merged", "lora"], prepare: lora(blocks + [("lm_head", in: 12, out: 3)])),
    Case(
      3,
      "lora: not merged from this adapter: it lacks 'model.layers.4.self_attn.v_proj'; the adapter "
        + "lacks 'lm_head'", verify + ["--merged", "lora"],
      prepare: lora(blocks.dropLast() + [("lm_head", in: 12, out: 3)])),
    Case(
      3,
      "lora: block 'model.layers.4.self_attn.v_proj': of another shape (found [6, 11], expected "
        + "[6, 12])", verify + ["--merged", "lora"],
      prepare: lora(blocks.dropLast() + [("model.layers.4.self_attn.v_proj", in: 11, out: 6)])),
  ]

  private static let calibrationFile = "activations-calibration.safetensors"

  private static func isInput(_ path: String, _ arguments: [String]) -> Case {
    Case(2, "\(path): is the input \(path); name another output", arguments + ["--force"])
  }

  private static let outputs: [Case] = {
    var cases = [
      Case(
        2,
        "a plan does not go with --calibration: every task would fit anew, on other processors not "
          + "to the same bits; merge first, then fold what that gives: resloratool merge … "
          + "--calibration", fold + calibration + ["--method", "ls", "--plan-out", "fold.plan"]),
      isInput(
        "activations-heldout.safetensors", verify + ["--html", "activations-heldout.safetensors"]),
      isInput(calibrationFile, verify + calibration + ["--html", calibrationFile]),
    ]
    for command in [merge, fold] {
      let fitted = command + calibration + ["--method", "ls", "-o"]
      cases.append(isInput(calibrationFile, fitted + [calibrationFile]))
      cases.append(isInput(calibrationFile, fitted + ["x", "--html", calibrationFile]))
    }
    return cases
  }()

  @Test(
    "a refusal is one line with its exit status, and creates nothing",
    arguments: data + others + counts + methods + merged + outputs)
  func refusals(_ test: Case) throws {
    let folder = try TemporaryFolder(copying: FixtureCase(test.fixture))
    try test.prepare(folder)
    let before = folder.entries
    let contents = try FileSystem.contents(folder.file(Self.calibrationFile))
    let outcome = try Tool.run(test.arguments, in: folder.path)
    #expect(outcome.error == "error: \(test.message)\n")
    #expect(outcome.status == test.status && !outcome.isSignal)
    #expect(outcome.output.isEmpty)
    #expect(folder.entries == before)
    #expect(try FileSystem.contents(folder.file(Self.calibrationFile)) == contents)
  }
}
