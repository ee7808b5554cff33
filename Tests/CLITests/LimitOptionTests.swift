import TestSupport
import Testing

/// Every limit that is an option: what it refuses when it is small, and that a larger one accepts.
@Suite struct LimitOptionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let path: String
    let option: String
    let small: String
    let large: String
    let message: String
    var testDescription: String { option }
  }

  static let cases = [
    Case(
      path: "formats/v1/is.safetensors", option: "--max-header", small: "100", large: "592B",
      message: "header too large (found 592 bytes, expected at most 100); --max-header accepts more"
    ),
    Case(
      path: "formats/v1/is.safetensors", option: "--max-metadata", small: "10", large: "1kB",
      message: "metadata too large (expected at most 10 bytes); --max-metadata accepts more"),
    Case(
      path: "minilm/base.safetensors", option: "--max-tensors", small: "3", large: "48",
      message: "too many tensors (expected at most 3); --max-tensors accepts more"),
    Case(
      path: "minilm/is", option: "--max-zip-entries", small: "27", large: "28",
      message:
        "too many zip entries (found 28, expected at most 27); --max-zip-entries accepts more"
    ),
    Case(
      path: "minilm/is", option: "--max-pickle", small: "1kB", large: "1MiB",
      message: "pickle has too many bytes (expected at most 1000); a larger --max-pickle accepts "
        + "more"),
    Case(
      path: "minilm/is", option: "--max-tensors", small: "23", large: "24",
      message: "pickle has too many storages (expected at most 23); a larger --max-tensors accepts "
        + "more"),
  ]

  @Test("a file over a limit is refused, and the line names the option", arguments: cases)
  func limits(_ test: Case) throws {
    let path = TestFiles.fixture(test.path)
    let refused = try Tool.run(["inspect", path, test.option, test.small], in: "/")
    #expect(refused.status == 3)
    #expect(refused.error.hasSuffix("\(test.message)\n"), "\(refused.error)")
    let accepted = try Tool.run(["inspect", path, test.option, test.large], in: "/")
    #expect(accepted.status == 0, "\(accepted.error)")
  }

  @Test("a JSON file beside the adapter is under the limit as well")
  func sidecar() throws {
    let path = TestFiles.fixture("minilm/is")
    let refused = try Tool.run(["inspect", path, "--max-header", "3"], in: "/")
    #expect(refused.status == 3)
    #expect(
      refused.error
        == "error: \(path)/reslora_config.json: file too large for the JSON that it should be "
        + "(found 242 bytes, expected at most 3); --max-header accepts more\n")
  }

  @Test(
    "values that are none",
    arguments: [
      ("--max-tensors", "0", "--max-tensors must be 1 or more, and 1000000000 at most"),
      ("--hdf5-time", "0", "--hdf5-time must be 1 or more, and 1000000000 at most"),
      (
        "--hdf5-memory", "1MiB",
        "--hdf5-memory must be 64MiB or more, which the library takes itself"
      ),
      ("--max-header", "many", "The value 'many' is invalid for '--max-header <size>'"),
    ])
  func usage(_ option: String, _ value: String, _ message: String) throws {
    let refused = try Tool.run(["inspect", "x", option, value], in: "/")
    #expect(refused.status == 2)
    #expect(refused.error == "error: \(message); see 'resloratool inspect --help'\n")
  }
}
