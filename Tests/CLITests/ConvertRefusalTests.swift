import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Outputs of `convert` that exist, and what it refuses, end to end.
@Suite struct ConvertRefusalTests {
  @Test("an output is replaced with --force, and left alone by --dry-run")
  func existing() throws {
    let folder = try basic()
    try folder.write([1], to: "o.h5")
    let dry = try succeed(
      ["convert", "adapter", "o.h5", "--force", "--dry-run", "--json"], in: folder)
    #expect(try dry.json()["dry_run"]?.bool == true)
    #expect(try ReadableFile.contents(of: folder.file("o.h5"), limit: 9) == [1])
    try succeed(["convert", "adapter", "o.h5", "--force"], in: folder)
    #expect(try Adapter(path: folder.file("o.h5")).blocks.count == 10)
    let before = folder.entries
    try succeed(["convert", "adapter", "p.reslora", "--dry-run"], in: folder)
    #expect(folder.entries == before)
  }

  @Test(
    "an adapter that only a fold takes is named as what it is", arguments: ["convert", "merge"])
  func foldOnly(_ command: String) throws {
    let folder = TemporaryFolder()
    let adapter = TestFiles.fixture("peft/dora-conv2d/adapter")
    let output = command == "convert" ? ["o.reslora"] : ["-o", "o"]
    let outcome = try Tool.run([command, adapter] + output, in: folder.path)
    #expect(outcome.status == 3)
    #expect(
      outcome.error == "error: \(adapter): a DoRA on 'conv_in'; fold takes it, but it is no plain "
        + "LoRA of linear layers, which is what is expected here\n")
    #expect(folder.entries.isEmpty)
  }

  struct Refusal: CustomTestStringConvertible, Sendable {
    let status: Int32
    let error: String
    let arguments: [String]
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ status: Int32, _ error: String, _ arguments: String...) {
      self.status = status
      self.error = error
      self.arguments = arguments
    }
  }

  private static let help = "; see 'resloratool convert --help'"
  private static let adapterOnly =
    "--base, --dtype, --windows, --topology, --root and --pre-num are for adapters, and this is "

  static let refusals: [Refusal] = [
    Refusal(
      2,
      "the name of o tells no format; name one with --to peft|mlx|reslora|hdf5|safetensors|kohya"
        + help, "adapter", "o"),
    Refusal(
      2,
      "the name of o.txt tells no format; name one with --to peft|mlx|reslora|hdf5|safetensors|kohya"
        + help, "adapter", "o.txt"),
    Refusal(
      2,
      "The value 'zip' is invalid for '--to <peft|mlx|reslora|hdf5|safetensors|kohya>'. Please "
        + "provide one of the following: peft, mlx, reslora, hdf5, safetensors, kohya" + help,
      "adapter", "o.h5", "--to", "zip"),
    Refusal(2, "Missing expected argument '<output>'" + help, "adapter"),
    Refusal(2, "w.h5: exists already; name another output or pass --force", "adapter", "w.h5"),
    Refusal(
      2, "w.h5: exists already; name another output or pass --force", "adapter", "w.h5",
      "--dry-run"),
    Refusal(2, "a.h5: is the input a.h5; name another output", "a.h5", "a.h5", "--force"),
    Refusal(2, "./a.h5: is the input a.h5; name another output", "a.h5", "./a.h5", "--force"),
    Refusal(
      2, "base.safetensors: is the input base.safetensors; name another output", "adapter",
      "base.safetensors", "--base", "base.safetensors", "--force"),
    Refusal(
      2, "w.h5: is the input w.h5; name another output", "adapter", "w.h5", "--windows", "w.h5",
      "--force"),
    Refusal(
      2, "a PEFT folder holds no links (found is, expected plain); merge the adapter first",
      "adapter", "o", "--to", "peft"),
    Refusal(
      2, "--compression is for .reslora files, and the output is none" + help, "adapter", "o.h5",
      "--compression", "zstd"),
    Refusal(
      2, "--compression is for .reslora files, and the output is none" + help, "w.h5", "o.json",
      "--compression", "none"),
    Refusal(
      2,
      "a checkpoint can be written as safetensors; give the output such an extension, or say --to"
        + help, "base.safetensors", "o.h5"),
    Refusal(
      2, adapterOnly + "a checkpoint" + help, "base.safetensors", "o.safetensors", "--dtype", "f16"),
    Refusal(2, adapterOnly + "norm windows" + help, "w.h5", "o.json", "--root", "none"),
    Refusal(
      2, adapterOnly + "activations" + help, "captured", "o.h5", "--base", "base.safetensors"),
    Refusal(
      2,
      "norm windows can be written as JSON or HDF5; give the output the extension .json or .h5"
        + help, "w.h5", "o.reslora"),
    Refusal(
      2,
      "norm windows can be written as JSON or HDF5; give the output the extension .json or .h5"
        + help, "w.h5", "o.json", "--to", "safetensors"),
    Refusal(
      2,
      "activations can be written as safetensors or hdf5; give the output such an extension, or "
        + "say --to" + help, "captured", "o.reslora"),
    Refusal(3, "nowhere: can't open: No such file or directory", "nowhere", "o.h5"),
    Refusal(
      3, "nowhere: can't open: No such file or directory", "adapter", "o.h5", "--base", "nowhere"),
    Refusal(
      3,
      "captured: no adapter (found a checkpoint, expected a PEFT folder, a published ResLoRA "
        + "checkpoint, or a .reslora, HDF5 or safetensors file of ours)", "adapter", "o.h5",
      "--windows", "captured"),
    Refusal(
      3,
      "w.h5: no base checkpoint (found an HDF5 file, expected a safetensors file or a folder of "
        + "them)", "adapter", "o.h5", "--base", "w.h5"),
  ]

  @Test("a refusal is one line with its exit status, and creates nothing", arguments: refusals)
  func refused(_ test: Refusal) throws {
    let folder = try basic()
    try succeed(["convert", "norm-windows.json", "w.h5"], in: folder)
    try succeed(["convert", "adapter", "a.h5"], in: folder)
    try folder.write(
      tensors: [TestTensor("x", [1, 1])], metadata: [("inputs", #"{"q": "x"}"#)], to: "captured")
    let before = folder.entries
    let outcome = try Tool.run(["convert"] + test.arguments, in: folder.path)
    #expect(outcome.error == "error: \(test.error)\n")
    #expect(outcome.status == test.status)
    #expect(!outcome.isSignal && outcome.output.isEmpty)
    #expect(folder.entries == before)
  }

  @Test("an element that does not fit the dtype ends the work and leaves nothing")
  func overflow() throws {
    let folder = TemporaryFolder()
    try folder.write(
      tensors: [
        TestTensor("a.lora_A", [1, 2], values: [1, 70_000]), TestTensor("a.lora_B", [2, 1]),
      ],
      metadata: [
        (
          "reslora",
          #"{"format": "reslora-adapter", "version": 1, "structure": "plain", "#
            + #""blocks": [{"name": "a", "scaling": 1}]}"#
        )
      ], to: "a")
    for output in ["o.h5", "o.reslora", "o.safetensors"] {
      let outcome = try Tool.run(["convert", "a", output, "--dtype", "f16"], in: folder.path)
      #expect(outcome.status == 3)
      #expect(
        outcome.error
          == "error: a: tensor 'a.lora_A': does not fit F16 (found 70000.0); write it with a wider "
          + "--dtype\n")
      #expect(folder.entries == ["a"])
    }
  }
}
