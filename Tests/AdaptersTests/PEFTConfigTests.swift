import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What `adapter_config.json` may say; numbers are those of the project's list of bad inputs.
@Suite(.timeLimit(.minutes(10))) struct PEFTConfigTests {
  private func expectRefused(
    _ changes: KeyValuePairs<String, String?>, _ reason: SidecarError.Reason, line: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try PEFTTestFolder(TestTensor.peft("l.0.q"), config: changes)
    let error = #expect(throws: SidecarError.self, sourceLocation: sourceLocation) {
      try folder.open()
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == folder.configPath, sourceLocation: sourceLocation)
    #expect(error?.failureKind == .badData, sourceLocation: sourceLocation)
    if let line {
      #expect(
        error?.description == "\(folder.configPath): \(line)", sourceLocation: sourceLocation)
    }
  }

  private static let notJSON = JSONError(reason: .unexpected(expected: "a value"), offset: 27)

  @Test(
    "72: a rank that is none",
    arguments: [
      "0", "-1", "9223372036854775808", #""8""#, "2.0", "1e1", "[2]", "false",
    ])
  func badRank(_ rank: String) throws {
    try expectRefused(
      ["r": rank], .badValue(key: "r", found: rank, expected: "a whole number from 1 to 1048576"),
      line: "bad 'r' (found \(rank), expected a whole number from 1 to 1048576)")
  }

  @Test("72, 76: NaN and infinities are no JSON", arguments: ["NaN", "Infinity"])
  func notANumber(_ value: String) throws {
    try expectRefused(["r": value], .json(PEFTConfigTests.notJSON))
    try expectRefused(
      ["lora_alpha": value],
      .json(JSONError(reason: .unexpected(expected: "a value"), offset: 44)),
      line: "not valid JSON: expected a value at byte 44")
  }

  @Test(
    "72, 76: keys that have no default",
    arguments: [
      ("r", "a whole number from 1 on"), ("lora_alpha", "a number"),
      ("peft_type", #"one of "LORA", "ADALORA", "LOHA", "LOKR""#),
    ])
  func missing(_ key: String, _ expected: String) throws {
    for value in [nil, "null"] {
      try expectRefused(
        [key: value], .missing(key: key, expected: expected),
        line: "lacks '\(key)' (expected \(expected))")
    }
  }

  @Test("73: a rank that the tensors contradict")
  func contradiction() throws {
    let tensor: TensorName = "base_model.model.l.0.q.lora_A.weight"
    try expectRefused(
      ["r": "3"], .contradicts(key: "r", found: 3, tensor: tensor, expected: 2),
      line: "'r' contradicts tensor '\(tensor)' (found 3, expected 2)")
    try expectRefused(
      ["rank_pattern": #"{"q": 8}"#],
      .contradicts(key: "r", found: 8, tensor: tensor, expected: 2))
  }

  @Test("74: a pattern that takes others for ever")
  func pathological() throws {
    let name = "l." + String(repeating: "a", count: 3000)
    let folder = try PEFTTestFolder(
      TestTensor.peft(name),
      config: ["alpha_pattern": #"{"(a+)+$!": 9, "(a|aa)*b": 7, "(a+)+$": 6}"#])
    #expect(try folder.open().blocks.map(\.scaling) == [3])
  }

  @Test(
    "74: a pattern that can't be matched truthfully is named",
    arguments: [
      ("(?!l.0)q", "pattern '(?!l.0)q' uses a (?…) group"),
      (#"(q)\\1"#, #"pattern '(q)\1' uses the escape \1"#),
      ("q(", "pattern 'q(' is malformed: unbalanced '('"),
      (
        "((q{1000}){1000})",
        "pattern '((q{1000}){1000})' is too large (expected at most 20000 steps)"
      ),
    ])
  func pattern(_ key: String, _ reason: String) throws {
    for field in ["rank_pattern", "alpha_pattern"] {
      try expectRefused(
        [field: #"{"\#(key)": 2}"#],
        .unsupported("\(field): \(reason)", advice: "write it without the construct it names"),
        line: "\(field): \(reason); write it without the construct it names")
    }
  }

  @Test("74: pattern values that are no ranks", arguments: ["0", "-2", "2.5", #""2""#, "null"])
  func rankPatternValue(_ value: String) throws {
    try expectRefused(
      ["rank_pattern": #"{"q": \#(value)}"#],
      .badValue(key: "rank_pattern.q", found: value, expected: "a number that makes sense"))
  }

  @Test("74: pattern values that are no alphas", arguments: ["1e400", #""2""#, "null", "[]"])
  func alphaPatternValue(_ value: String) throws {
    try expectRefused(
      ["alpha_pattern": #"{"q": \#(value)}"#],
      .badValue(key: "alpha_pattern.q", found: value, expected: "a number that makes sense"))
  }

  @Test("patterns that are no objects", arguments: ["[]", "1", #""q""#])
  func patternKind(_ value: String) throws {
    try expectRefused(
      ["rank_pattern": value],
      .badValue(
        key: "rank_pattern", found: value, expected: "an object of module pattern to number"))
  }

  @Test("75: fields that name code do nothing")
  func code() throws {
    let folder = try PEFTTestFolder(
      TestTensor.peft("l.0.q"),
      config: [
        "auto_mapping": #"{"base_model_class": "os.system", "parent_library": "subprocess"}"#,
        "megatron_core": #""__import__('os')""#, "custom_modules": #"{"q": "eval"}"#,
        "runtime_config": #"{"ephemeral_gpu_offload": true}"#,
        "target_modules": #"".*(q|v)$""#, "exclude_modules": #"["q"]"#, "velora_config": "{}",
      ])
    let adapter = try folder.open()
    #expect(adapter.names == ["l.0.q"])
    #expect(adapter.blocks.map(\.scaling) == [2])
  }

  @Test("76: an alpha that is none", arguments: [#""4""#, "1e400", "true"])
  func badAlpha(_ alpha: String) throws {
    try expectRefused(
      ["lora_alpha": alpha],
      .badValue(key: "lora_alpha", found: alpha, expected: "a finite number"))
  }

  @Test("77: a key twice", arguments: ["r", "lora_alpha", "rank_pattern"])
  func duplicateKey(_ key: String) throws {
    let folder = try PEFTTestFolder(TestTensor.peft("l.0.q"), config: ["rank_pattern": "{}"])
    let text =
      PEFTTestFolder.config.changed(["rank_pattern": "{}"]).text.dropLast()
      + ", \"\(key)\": 2}"
    try folder.folder.write(text: String(text), to: "adapter_config.json")
    let error = #expect(throws: SidecarError.self) { try folder.open() }
    #expect(
      error?.reason == .json(JSONError(reason: .duplicateKey(key), offset: text.utf8.count - 1)))
    let pattern = #"{"q": 1, "\u0071": 2}"#
    try folder.writeConfig(["alpha_pattern": pattern])
    let inner = #expect(throws: SidecarError.self) { try folder.open() }
    guard case .json(let problem) = inner?.reason else {
      Issue.record("\(String(describing: inner))")
      return
    }
    #expect(problem.reason == .duplicateKey("q"))
  }

  @Test("78: another type of adapter is named", arguments: ["IA3", "lora", "", "VERA"])
  func type(_ type: String) throws {
    try expectRefused(
      ["peft_type": "\"\(type)\""],
      .unsupported("peft_type \(type) is not read", advice: "LORA, ADALORA, LOHA, LOKR are"))
  }

  @Test("79: the base model's path is never opened")
  func basePath() throws {
    let folder = try PEFTTestFolder(TestTensor.peft("l.0.q"))
    // Whoever opened it would wait for ever.
    let pipe = folder.folder.file("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, "/dev/stdin", "/nonexistent", "meta-llama/Llama-2-7b", "../../etc/passwd"] {
      try folder.writeConfig(["base_model_name_or_path": "\"\(path)\"", "revision": "\"\(path)\""])
      #expect(try folder.open().blocks.count == 1)
    }
  }

  @Test(
    "settings that change what is computed are refused by name",
    arguments: [
      ("use_qalora", "true", "its A works on pooled inputs, which no change of a weight computes"),
      ("trainable_token_indices", "[0]", "it replaces single rows, which is not read yet"),
      (
        "trainable_token_indices", #"{"embed": [1]}"#,
        "it replaces single rows, which is not read yet"
      ), ("layer_replication", "[[0, 4]]", "the base has no tensors for the replicated layers"),
      (
        "alora_invocation_tokens", "[1]", "an aLoRA acts on some tokens only, which no weight does"
      ),
      (
        "loftq_config", #"{"loftq_bits": 4}"#,
        "a LoftQ adapter belongs to the quantised base it was made with"
      ), ("corda_config", #"{"x": 1}"#, conversion), ("lora_ga_config", #"{"x": 1}"#, conversion),
      (
        "arrow_config", #"{"x": 1}"#,
        "it chooses among adapters by the input, which no weight does"
      ),
      ("kasa_config", #"{"x": 1}"#, "it changes the base weights by what is not saved"),
      ("monteclora_config", #"{"x": 1}"#, "what it computes is random"),
      ("use_bdlora", #"{"nblocks": 2}"#, "its factors are block-diagonal"),
      ("use_bdlora", "true", "its factors are block-diagonal"),
    ])
  func refused(_ key: String, _ value: String, _ advice: String) throws {
    try expectRefused(
      [key: value], .unsupported("\(key) is set", advice: advice),
      line: "\(key) is set; \(advice)")
  }

  private static let conversion =
    "convert it to a plain LoRA with PEFT first (path_initial_model_for_weight_conversion)"

  @Test("settings that contradict each other")
  func contradictions() throws {
    try expectRefused(
      ["lora_bias": "true", "use_dora": "true"],
      .unsupported("lora_bias and use_dora are both set", advice: "PEFT has no such adapter"))
    try expectRefused(
      ["lora_bias": "true", "bias": #""all""#],
      .unsupported(
        "lora_bias is set and bias is 'all'", advice: "both would change the same tensor"))
    try expectRefused(
      ["target_parameters": #"["e.w"]"#, "use_dora": "true"],
      .unsupported(
        "target_parameters is set beside use_dora, fan_in_fan_out or lora_bias",
        advice: "PEFT has no such adapter"))
  }

  @Test(
    "settings that only a fold takes",
    arguments: [
      ("use_dora", "a DoRA"), ("lora_bias", "a LoRA with a bias"),
      ("fan_in_fan_out", "a LoRA of a transposed weight (fan_in_fan_out)"),
    ])
  func foldOnly(_ key: String, _ kind: String) throws {
    let folder = try PEFTTestFolder(TestTensor.peft("l.0.q"), config: [key: "true"])
    #expect(throws: AdapterError.foldOnly(source: folder.path, kind: kind, module: "l.0.q")) {
      try folder.open()
    }
  }

  @Test(
    "initialisations that change the base weights are refused",
    arguments: [
      "pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "x",
    ])
  func initialisation(_ kind: String) throws {
    try expectRefused(
      ["init_lora_weights": "\"\(kind)\""],
      .unsupported(
        "init_lora_weights is '\(kind)', which changes the base weights",
        advice: PEFTConfigTests.conversion))
  }

  @Test(
    "the same settings unset are fine",
    arguments: [
      ("use_dora", "false"), ("use_dora", "null"), ("bias", "null"), ("modules_to_save", "[]"),
      ("modules_to_save", "null"), ("loftq_config", "{}"), ("rank_pattern", "null"),
      ("alpha_pattern", "{}"), ("use_bdlora", "false"), ("use_bdlora", "null"),
      ("init_lora_weights", "true"), ("init_lora_weights", "false"),
      ("init_lora_weights", #""gaussian""#), ("init_lora_weights", #""orthogonal""#),
      ("init_lora_weights", #""eva""#), ("eva_config", #"{"rho": 2}"#), ("bias", #""all""#),
      ("bias", #""lora_only""#), ("modules_to_save", #"["score"]"#),
      ("target_parameters", #"["experts.w"]"#), ("lora_dropout", "0.5"),
      ("peft_version", #""0.99""#),
    ])
  func accepted(_ key: String, _ value: String) throws {
    let folder = try PEFTTestFolder(TestTensor.peft("l.0.q"), config: [key: value])
    #expect(try folder.open().blocks.map(\.scaling) == [2])
  }

  @Test("flags that are no booleans", arguments: ["1", #""true""#, "[]"])
  func flags(_ value: String) throws {
    for key in ["use_rslora", "use_dora", "fan_in_fan_out"] {
      try expectRefused(
        [key: value], .badValue(key: key, found: value, expected: "true or false"))
    }
  }

  @Test("of several patterns the first in the file counts, whatever its length")
  func firstPattern() throws {
    let folder = try PEFTTestFolder(
      TestTensor.peft("l.0.q") + TestTensor.peft("l.1.q"),
      config: ["alpha_pattern": #"{"x": 1, "l.0.q": 6, "q": 8, "l.1.q": 10}"#])
    #expect(try folder.open().blocks.map(\.scaling) == [3, 4])
  }

  @Test("rank stabilisation divides by the root of each block's own rank")
  func rankStabilisation() throws {
    let folder = try PEFTTestFolder(
      TestTensor.peft("a", rank: 4) + TestTensor.peft("b", rank: 9),
      config: ["r": "4", "lora_alpha": "6", "use_rslora": "true", "rank_pattern": #"{"b": 9}"#])
    #expect(try folder.open().blocks.map(\.scaling) == [3, 2])
  }
}
