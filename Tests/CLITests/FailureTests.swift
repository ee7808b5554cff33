import ByteIO
import Foundation
import TestSupport
import Testing

/// What the tool refuses: exit status, one line on standard error, nothing created.
@Suite struct FailureTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let arguments: [String]
    let status: Int32
    let message: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ status: Int32, _ message: String, _ arguments: String...) {
      self.arguments = arguments
      self.status = status
      self.message = message
    }
  }

  private static let into = ["--into", "base.safetensors"]

  static let usage: [Case] = [
    Case(2, "unknown merge method (found 'best'", "merge", "adapter", "--method", "best"),
    Case(2, "--rank must be 1 or more", "merge", "adapter", "--rank", "0"),
    Case(2, "--energy must be above 0 and at most 1", "merge", "adapter", "--energy", "nan"),
    Case(2, "exclude each other", "merge", "adapter", "--rank", "2", "--energy", "0.5"),
    Case(2, "--threads must be 1 or more", "inspect", "adapter", "--threads", "0"),
    Case(2, "--pre-num must be -1 or more", "inspect", "adapter", "--pre-num=-2"),
    Case(2, "tolerances must be 0 or more", "diff", "adapter", "adapter", "--atol=-1"),
    Case(2, "The value 'f8' is invalid", "merge", "adapter", "--dtype", "f8"),
    Case(2, "method bw needs the base weights", "merge", "adapter", "--method", "bw"),
    Case(2, "'exact' is not for input-shortcut adapters", "merge", "adapter", "--method", "exact"),
    Case(2, "no merge method named and nothing to choose one by", "merge", "adapter"),
    Case(
      2, "exists already", "fold", "adapter", "--into", "base.safetensors", "-o", "expected.json"),
    Case(2, "exists already", "merge", "adapter", "--method", "none", "-o", "expected.json"),
  ]

  static let badData: [Case] = [
    Case(3, "nowhere: can't open", "inspect", "nowhere"),
    Case(3, "expected an object of windows", "inspect", "expected.json"),
    Case(
      3, "expected.json: no base checkpoint (found a JSON text", "fold", "adapter", "--method",
      "none", "--into", "expected.json"),
    Case(
      3, "expected.json: no base checkpoint (found a JSON text", "merge", "adapter", "--method",
      "bw", "--base", "expected.json"),
    Case(3, "norm-windows.json: no adapter (found a JSON text", "merge", "norm-windows.json"),
    Case(3, "base.safetensors: no adapter (found a checkpoint", "merge", "base.safetensors"),
    Case(
      3, "base.safetensors: no adapter (found a checkpoint", "fold", "base.safetensors", "--into",
      "base.safetensors"),
    Case(3, "no input norm window", "merge", "adapter", "--method", "bi"),
    Case(
      3, "norm-windows.json: unknown key", "inspect", "adapter", "--topology-file",
      "norm-windows.json"),
    Case(3, "expected an object of windows", "inspect", "adapter", "--windows", "expected.json"),
    Case(3, "/dev/null: not a regular file", "inspect", "/dev/null"),
    Case(
      3, "deltas.safetensors: no adapter", "fold", "deltas.safetensors", "--into",
      "base.safetensors"),
    Case(
      3, "of the adapter's blocks do not fit", "fold", "adapter", "--into", "deltas.safetensors"),
  ]

  @Test(
    "a refusal is one line with its exit status, and creates nothing", arguments: usage + badData)
  func refusals(_ test: Case) throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let before = folder.entries
    let outcome = try Tool.run(test.arguments, in: folder.path)
    #expect(outcome.status == test.status)
    #expect(!outcome.isSignal)
    #expect(outcome.output.isEmpty)
    #expect(outcome.error.hasPrefix("error: "))
    #expect(outcome.error.contains(test.message), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
    #expect(folder.entries == before)
  }

  @Test("unmatched blocks are all listed with the nearest names")
  func unmatchedBlocks() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let outcome = try Tool.run(
      ["fold", "adapter", "--method", "none", "--into", "deltas.safetensors"], in: folder.path)
    for layer in 0..<5 {
      #expect(
        outcome.error.contains("block 'model.layers.\(layer).self_attn.q_proj' has no base weight"))
    }
    #expect(outcome.error.contains("nearest: "))
  }

  @Test("a merge factor that is not finite is refused")
  func nonFiniteFactor() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let windows = (0..<5).flatMap { layer in
      ["q", "v"].map {
        "\"model.layers.\(layer).self_attn.\($0)_proj\": {\"input\": [\(layer == 1 ? "5e-324" : "9")]}"
      }
    }
    try folder.write("{\(windows.joined(separator: ", "))}".utf8, to: "w.json")
    let outcome = try Tool.run(
      ["merge", "adapter", "--method", "bi", "--windows", "w.json", "-o", "o"], in: folder.path)
    #expect(outcome.status == 3)
    #expect(outcome.error.contains("the merge factor is not finite"))
    #expect(!folder.entries.contains("o"))
  }

  @Test("a folder with other files in it is never replaced")
  func foreignFolder() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/is-basic"))
    let other = folder.folder("results")
    try OutputFile.write([1], to: "\(other)/thesis.tex", replacing: false)
    let outcome = try Tool.run(
      ["merge", "adapter", "--method", "none", "-o", "results", "--force"], in: folder.path)
    #expect(outcome.status == 2)
    #expect(outcome.error.contains("thesis.tex"))
    #expect(FileManager.default.fileExists(atPath: "\(other)/thesis.tex"))
  }
}
