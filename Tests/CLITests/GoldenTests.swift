import ByteIO
import Foundation
import TestSupport
import Testing

/// The tool's own output formats against recorded files.
///
/// Goldens catch change, not error: the numbers in them are tested elsewhere, against the
/// independent generator. After an intended change of a format, record them anew:
///
///     RECORD_GOLDENS=1 swift test --filter GoldenTests
///
/// and read the difference before you commit it.
@Suite struct GoldenTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let fixture: String
    let arguments: [String]
    var files: [String] = []
    /// Makes files that the fixture does not have.
    var prepare: @Sendable (TemporaryFolder) throws -> Void = { _ in }
    var testDescription: String { name }
  }

  static let isRecording = ProcessInfo.processInfo.environment["RECORD_GOLDENS"] == "1"

  private static let windows = ["--windows", "norm-windows.json"]
  private static let base = ["--base", "base.safetensors"]

  static let cases: [Case] = [
    Case(
      name: "inspect-is", fixture: "synthetic/is-basic",
      arguments: ["inspect", "adapter"] + windows),
    Case(
      name: "inspect-is-json", fixture: "synthetic/is-basic",
      arguments: ["inspect", "adapter", "--json"] + windows),
    Case(
      name: "inspect-ms-stacked", fixture: "synthetic/ms-stacked",
      arguments: ["inspect", "adapter"]),
    Case(
      name: "inspect-tree-json", fixture: "synthetic/is-tree",
      arguments: ["inspect", "adapter.safetensors", "--json"]),
    Case(
      name: "inspect-checkpoint", fixture: "synthetic/is-basic",
      arguments: ["inspect", "base.safetensors"]),
    Case(
      name: "inspect-checkpoint-json", fixture: "synthetic/is-basic",
      arguments: ["inspect", "base.safetensors", "--json"]),
    Case(
      name: "inspect-two-json", fixture: "synthetic/plain",
      arguments: ["inspect", "adapter", "base.safetensors", "--json"]),
    Case(name: "inspect-real", fixture: "minilm/bs", arguments: ["inspect", "."] + windows),
    Case(
      name: "merge-is-bw", fixture: "synthetic/is-basic",
      arguments: ["merge", "adapter", "--method", "bw"] + base,
      files: ["adapter-bw/adapter_config.json", "adapter-bw/adapter_model.safetensors"]),
    Case(
      name: "merge-is-default-json", fixture: "synthetic/is-basic",
      arguments: ["merge", "adapter", "--json"] + windows,
      files: ["adapter-bi/adapter_config.json", "adapter-bi/adapter_model.safetensors"]),
    Case(
      name: "merge-ms-bw-json", fixture: "synthetic/ms-pre2",
      arguments: ["merge", "adapter", "--method", "bw", "--json", "-o", "out.safetensors"] + base,
      files: ["out.safetensors"]),
    Case(
      name: "merge-bs", fixture: "synthetic/bs-ranks", arguments: ["merge", "adapter.safetensors"],
      files: ["adapter-exact/adapter_config.json", "adapter-exact/adapter_model.safetensors"]),
    Case(
      name: "merge-lmops", fixture: "synthetic/whole-model",
      arguments: ["merge", "adapter", "--method", "bw", "--compat", "lmops", "--dry-run"] + base),
    Case(
      name: "merge-dtype", fixture: "synthetic/is-basic",
      arguments: ["merge", "adapter", "--method", "bw", "--dtype", "bf16", "--quiet"] + base,
      files: ["adapter-bw/adapter_model.safetensors"]),
    Case(
      name: "merge-real", fixture: "minilm/ms", arguments: ["merge", ".", "-o", "merged"] + base,
      files: ["merged/adapter_config.json"]),
    Case(
      name: "fold-is", fixture: "synthetic/is-basic",
      arguments: ["fold", "adapter", "--into", "base.safetensors"],
      files: ["base-folded.safetensors"]),
    Case(
      name: "fold-ms-json", fixture: "synthetic/ms-all",
      arguments: ["fold", "adapter", "--method", "bi", "--into", "base.safetensors", "--json"]
        + windows,
      files: ["base-folded.safetensors"]),
    Case(
      name: "fold-dtype", fixture: "synthetic/bs-pre1",
      arguments: ["fold", "adapter", "--into", "base.safetensors", "--dtype", "f16"],
      files: ["base-folded.safetensors"]),
    Case(
      name: "fold-dry-run", fixture: "synthetic/bs-pre1",
      arguments: ["fold", "adapter", "--into", "base.safetensors", "--dry-run", "--threads", "2"]),
    Case(
      name: "fold-dry-run-json", fixture: "synthetic/bs-pre1",
      arguments: [
        "fold", "adapter", "--into", "base.safetensors", "--dry-run", "--json", "--threads", "2",
      ]),
    Case(
      name: "fold-real", fixture: "minilm/is",
      arguments: ["fold", ".", "--into", "base.safetensors"]),
    Case(
      name: "diff", fixture: "synthetic/is-basic",
      arguments: ["diff", "base.safetensors", "folded-bw.safetensors"]),
    Case(
      name: "diff-json", fixture: "synthetic/is-basic",
      arguments: ["diff", "base.safetensors", "folded-bw.safetensors", "--json", "--atol", "100"]),
    Case(name: "help", fixture: "synthetic/plain", arguments: ["--help"]),
    Case(name: "help-merge", fixture: "synthetic/plain", arguments: ["merge", "--help"]),
    Case(name: "help-fold", fixture: "synthetic/plain", arguments: ["fold", "--help"]),
  ]

  @Test("output equals the recorded one", arguments: cases + contentCases + foldCases + verifyCases)
  func output(_ test: Case) throws {
    let folder = try TemporaryFolder(copying: FixtureCase(test.fixture))
    try test.prepare(folder)
    let outcome = try Tool.run(test.arguments, in: folder.path, environment: ["COLUMNS": "100"])
    #expect(!outcome.isSignal)
    var record = "$ resloratool \(test.arguments.joined(separator: " "))\nexit \(outcome.status)\n"
    record += "--- standard output\n\(withoutTimes(outcome.output, in: folder))"
    record += "--- standard error\n\(outcome.error)"
    for name in test.files {
      let bytes = try ReadableFile.contents(of: folder.file(name), limit: 1 << 24)
      record += "--- \(name)\n"
      record +=
        name.hasSuffix(".json")
        ? String(decoding: bytes, as: UTF8.self) + "\n" : try digest(bytes) + "\n"
    }
    let golden = "\(TestFiles.root)/Tests/CLITests/Goldens/\(test.name).txt"
    if Self.isRecording {
      try OutputFile.write(Array(record.utf8), to: golden, replacing: true)
      return
    }
    let recorded = String(
      decoding: try ReadableFile.contents(of: golden, limit: 1 << 24), as: UTF8.self)
    #expect(record == recorded, "record anew with RECORD_GOLDENS=1 if the change is intended")
  }

  /// Times, rates, the disk's free bytes and the paths of the folder and the tool replaced by a word.
  private func withoutTimes(_ text: String, in folder: TemporaryFolder) -> String {
    text.replacing(folder.path, with: "FOLDER").replacing(
      Paths.absolute(Tool.path), with: "TOOL"
    ).replacing(
      #/"seconds": [0-9.e-]+/#, with: "\"seconds\": TIME"
    )
    .replacing(#/"bytes_free": [0-9]+/#, with: "\"bytes_free\": FREE")
    .replacing(#/ done, [0-9.]+ .?B\/s\n/#, with: " done\n")
    .replacing(#/(verified|SHA-256)([^\n]*), [0-9.]+ s\n/#) { "\($0.1)\($0.2), TIME\n" }
  }

  /// The header of a safetensors file and a checksum of all its bytes.
  private func digest(_ bytes: [UInt8]) throws -> String {
    var sum = CRC32()
    bytes.withUnsafeBytes { sum.update($0) }
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = String(decoding: bytes[8..<(8 + length)], as: UTF8.self)
    return "\(bytes.count) bytes, CRC-32 \(String(sum.value, radix: 16)), header \(header)"
  }
}
