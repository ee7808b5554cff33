import ByteIO
import Foundation
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Entries 72 to 79: `adapter_config.json` of a PEFT folder.
enum ConfigEntries {
  static let all = ranks + patterns + fields + accepted

  private static let name = "x/adapter_config.json"
  private static let module = "l.0.q"

  /// A configuration that every command refuses for one reason; but `diff` compares tensors alone.
  private static func refused(
    _ entry: Int, _ title: String, _ reason: String,
    _ config: @autoclosure @escaping @Sendable () -> String
  ) -> HostileCase {
    HostileCase(
      entry, title,
      Opening.adapter("x").dropLast().map { .refused($0, "\(name): \(reason)") }
        + [.invalid("x", ["\(name): \(reason)"])]
    ) { try write(config(), to: $0) }
  }

  private static func changed(
    _ entry: Int, _ title: String, _ reason: String, _ key: String, _ value: String?
  ) -> HostileCase {
    refused(entry, title, reason, PEFTTestFolder.config.changed([key: value]).text)
  }

  private static func write(
    _ config: String, to folder: TemporaryFolder, module: String = module
  ) throws {
    _ = folder.folder("x")
    try folder.write(text: config, to: name)
    try folder.write(tensors: TestTensor.peft(module), to: "x/adapter_model.safetensors")
    try folder.write(
      tensors: [TestTensor(TensorName("\(module).weight"), [4, 4])], to: "w.safetensors")
  }

  private static func rank(_ title: String, _ value: String) -> HostileCase {
    changed(
      72, title, "bad 'r' (found \(value), expected a whole number from 1 to 1048576)", "r", value)
  }

  private static let ranks = [
    rank("a rank of 0", "0"), rank("a rank of -1", "-1"),
    rank("a rank of 2^63", "9223372036854775808"), rank("a rank in quotes", #""8""#),
    changed(
      72, "a rank that is NaN", "not valid JSON: expected a value at byte 27", "r", "NaN"),
    changed(
      73, "a rank that the tensors contradict",
      "'r' contradicts tensor 'base_model.model.l.0.q.lora_A.weight' (found 3, expected 2)", "r",
      "3"),
    changed(
      73, "a rank of a pattern that the tensors contradict",
      "'r' contradicts tensor 'base_model.model.l.0.q.lora_A.weight' (found 8, expected 2)",
      "rank_pattern", #"{"q": 8}"#),
    changed(
      76, "no alpha", "lacks 'lora_alpha' (expected a number)", "lora_alpha", nil),
    changed(
      76, "an alpha that is NaN", "not valid JSON: expected a value at byte 44", "lora_alpha",
      "NaN"),
    changed(
      76, "an alpha beyond float64", "bad 'lora_alpha' (found 1e400, expected a finite number)",
      "lora_alpha", "1e400"),
  ]

  private static let patterns = [
    changed(
      74, "a pattern that multiplies",
      "alpha_pattern: pattern '((q{1000}){1000})' is too large (expected at most 20000 steps); "
        + "write it without the construct it names",
      "alpha_pattern", #"{"((q{1000}){1000})": 2}"#),
    changed(
      74, "a pattern that looks ahead",
      "rank_pattern: pattern '(?!l.0)q' uses a (?…) group; write it without the construct it names",
      "rank_pattern", #"{"(?!l.0)q": 2}"#),
  ]

  private static let fields = [
    refused(
      77, "a key twice", "duplicate key 'r' in JSON (at byte 127)",
      PEFTTestFolder.config.text.dropLast() + #", "r": 2}"#),
    changed(
      78, "an unknown type",
      "peft_type VERA is not read; LORA, ADALORA, LOHA, LOKR are", "peft_type", #""VERA""#),
  ]

  // MARK: Accepted

  private static func accepted(
    _ entry: Int, _ title: String, scaling: Double = 2, module: String = module,
    _ config: JSONText, prepare: @escaping @Sendable (TemporaryFolder) throws -> Void = { _ in }
  ) -> HostileCase {
    let text = config.text
    return HostileCase(
      entry, title,
      [
        .accepted(["inspect", "--json", "x"]) { outcome in
          let blocks = try (outcome.json()["blocks"]?.array ?? []).map(\.object)
          #expect(blocks.map { $0?["name"]?.string } == [module])
          #expect(blocks.map { $0?.double("scaling") } == [scaling])
        },
        .accepted(["validate", "x"]) { #expect($0.output == "x: PEFT folder: valid\n") },
        .accepted(
          ["fold", "x", "--into", "w.safetensors", "-o", "out.safetensors"],
          creates: ["out.safetensors"]),
      ]
    ) { folder in
      try write(text, to: folder, module: module)
      try prepare(folder)
    }
  }

  private static let accepted = [
    accepted(
      74, "a pattern that takes others for ever", scaling: 3,
      module: "l." + String(repeating: "a", count: 3000),
      PEFTTestFolder.config.changed([
        "alpha_pattern": #"{"(a+)+$!": 9, "(a|aa)*b": 7, "(a+)+$": 6}"#
      ])),
    accepted(
      75, "fields that name code",
      PEFTTestFolder.config.changed([
        "auto_mapping": #"{"base_model_class": "os.system", "parent_library": "subprocess"}"#,
        "megatron_core": #""__import__('os')""#, "custom_modules": #"{"q": "eval"}"#,
      ])),
    accepted(
      79, "a base model that nobody may open",
      PEFTTestFolder.config.changed(["base_model_name_or_path": #""pipe""#])
    ) { try FileSystem.makeFIFO($0.file("pipe")) },
  ]
}
