import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Formats, activations and norm windows: `convert`, `validate`, and what `inspect` shows of them.
///
/// Bytes of containers and HDF5 files depend on the libraries that compress them and are not
/// recorded; what the tool says of an uncompressed container is.
extension GoldenTests {
  /// Runs the tool, which must succeed.
  @Sendable private static func run(_ arguments: [String], in folder: TemporaryFolder) throws {
    let outcome = try Tool.run(arguments, in: folder.path)
    #expect(outcome.status == 0, "\(outcome.error)")
  }

  private static let everything = ["--windows", "norm-windows.json", "--base", "base.safetensors"]

  /// `out.reslora` with windows and statistics, not compressed.
  @Sendable private static func container(_ folder: TemporaryFolder) throws {
    try run(
      ["convert", "adapter", "out.reslora", "--compression", "none"] + everything, in: folder)
  }

  /// The same in HDF5.
  @Sendable private static func hdf5(_ folder: TemporaryFolder) throws {
    try run(["convert", "adapter", "out.h5"] + everything, in: folder)
  }

  /// `captured.safetensors`: five tokens, q and k sharing an input.
  @Sendable private static func activations(_ folder: TemporaryFolder) throws {
    try folder.write(
      tensors: [
        TestTensor("layer 0", [5, 3], dtype: .f16),
        TestTensor("layer 1", [5, 2], values: [1, 2, .nan, 4, 5, 6, 7, 8, 0, -.infinity]),
      ],
      metadata: [
        ("inputs", #"{"l.0.q": "layer 0", "l.0.k": "layer 0", "l.1.up": "layer 1"}"#),
        ("prompt", "hello"),
      ], to: "captured.safetensors")
  }

  /// `windows.h5`, of two blocks.
  @Sendable private static func windows(_ folder: TemporaryFolder) throws {
    try folder.write(
      text: #"{"a": {"input": [1, 2.5]}, "b": {"projection": [3], "input": []}}"#, to: "w.json")
    try run(["convert", "w.json", "windows.h5"], in: folder)
  }

  /// An adapter and norm windows that break several rules.
  @Sendable private static func broken(_ folder: TemporaryFolder) throws {
    try folder.write(
      tensors: [
        TestTensor("a.lora_A", [2, 4]), TestTensor("a.lora_B", [3, 2]), TestTensor("x", [1]),
      ],
      metadata: [
        (
          "reslora",
          #"""
          {"format": "reslora-adapter", "version": 1, "structure": "is", "colour": "red",
           "blocks": [{"name": "a", "scaling": "two"},
            {"name": "b", "scaling": 1, "windows": {"input": [-1]}}]}
          """#
        )
      ], to: "broken.safetensors")
    try folder.write(
      text: #"{"a": {"input": [1, -2]}, "b": {"inputs": [1]}, "c": {"input": [1]}}"#,
      to: "broken.json")
  }

  private static let basic = "synthetic/is-basic"

  static let contentCases: [Case] = [
    Case(
      name: "convert-reslora", fixture: basic,
      arguments: ["convert", "adapter", "out.reslora"] + everything),
    Case(
      name: "convert-safetensors-json", fixture: basic,
      arguments: ["convert", "adapter", "out.safetensors", "--json"] + everything,
      files: ["out.safetensors"]),
    Case(
      name: "convert-dtype", fixture: basic,
      arguments: ["convert", "out.h5", "out.safetensors", "--dtype", "bf16"],
      files: ["out.safetensors"], prepare: hdf5),
    Case(
      name: "convert-dry-run-json", fixture: basic,
      arguments: ["convert", "adapter", "out.h5", "--dry-run", "--json"]),
    Case(
      name: "convert-peft", fixture: "synthetic/plain",
      arguments: ["convert", "adapter", "out", "--to", "peft"],
      files: ["out/adapter_config.json", "out/adapter_model.safetensors"]),
    Case(
      name: "convert-mlx", fixture: "peft/lora-patterns",
      arguments: ["convert", "adapter", "out", "--layout", "mlx"],
      files: ["out/adapter_config.json", "out/adapters.safetensors"]),
    Case(
      name: "convert-kohya", fixture: "peft/rslora",
      arguments: ["convert", "adapter", "out.safetensors", "--layout", "kohya"],
      files: ["out.safetensors"]),
    Case(
      name: "inspect-experts", fixture: "peft/experts",
      arguments: ["inspect", "adapter", "--tensors"]),
    Case(
      name: "inspect-dora-json", fixture: "peft/dora-embedding-fan-in-fan-out",
      arguments: ["inspect", "adapter", "--json"]),
    Case(
      name: "convert-activations", fixture: basic,
      arguments: ["convert", "captured.safetensors", "captured.h5"], prepare: activations),
    Case(
      name: "convert-windows-json", fixture: basic,
      arguments: ["convert", "windows.h5", "out.json", "--json"], files: ["out.json"],
      prepare: windows),
    Case(
      name: "convert-checkpoint", fixture: basic,
      arguments: ["convert", "base.safetensors", "copy.safetensors"], files: ["copy.safetensors"]),
    Case(
      name: "inspect-reslora", fixture: basic, arguments: ["inspect", "out.reslora"],
      prepare: container),
    Case(
      name: "inspect-hdf5-json", fixture: basic,
      arguments: ["inspect", "out.h5", "--json", "--stats"], prepare: hdf5),
    Case(
      name: "inspect-tensors", fixture: "synthetic/ms-stacked",
      arguments: ["inspect", "adapter", "--tensors"]),
    Case(
      name: "inspect-stats", fixture: "synthetic/plain",
      arguments: ["inspect", "adapter", "--stats"]),
    Case(
      name: "inspect-checkpoint-stats", fixture: basic,
      arguments: ["inspect", "base.safetensors", "--stats"]),
    Case(
      name: "inspect-topology", fixture: "synthetic/is-tree",
      arguments: ["inspect", "adapter.safetensors", "--topology"]),
    Case(
      name: "inspect-topology-ms", fixture: "synthetic/ms-pre2",
      arguments: ["inspect", "adapter", "--topology"]),
    Case(
      name: "inspect-topology-plain", fixture: "synthetic/plain",
      arguments: ["inspect", "adapter", "--topology"]),
    Case(
      name: "inspect-topology-json", fixture: "synthetic/is-tree",
      arguments: ["inspect", "adapter.safetensors", "--topology", "--tensors", "--json"]),
    Case(
      name: "inspect-activations", fixture: basic,
      arguments: ["inspect", "captured.safetensors", "--stats"], prepare: activations),
    Case(
      name: "inspect-activations-json", fixture: basic,
      arguments: ["inspect", "captured.safetensors", "--stats", "--json"], prepare: activations),
    Case(
      name: "inspect-windows", fixture: basic, arguments: ["inspect", "windows.h5"],
      prepare: windows),
    Case(
      name: "inspect-windows-json", fixture: basic,
      arguments: ["inspect", "windows.h5", "--json"], prepare: windows),
    Case(
      name: "validate-valid", fixture: basic,
      arguments: ["validate", "adapter", "out.reslora", "base.safetensors", "norm-windows.json"],
      prepare: container),
    Case(
      name: "validate-broken", fixture: basic,
      arguments: ["validate", "broken.safetensors", "broken.json", "base.safetensors"],
      prepare: broken),
    Case(
      name: "validate-broken-json", fixture: basic,
      arguments: ["validate", "broken.safetensors", "captured.safetensors", "--json"],
      prepare: {
        try broken($0)
        try activations($0)
      }),
    Case(
      name: "merge-hdf5", fixture: basic,
      arguments: ["merge", "adapter", "--to", "hdf5", "--dry-run", "--base", "base.safetensors"]),
    Case(name: "help-convert", fixture: "synthetic/plain", arguments: ["convert", "--help"]),
    Case(name: "help-validate", fixture: "synthetic/plain", arguments: ["validate", "--help"]),
    Case(name: "help-inspect", fixture: "synthetic/plain", arguments: ["inspect", "--help"]),
  ]
}
