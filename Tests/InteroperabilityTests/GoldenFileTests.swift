import Activations
import Adapters
import ByteIO
import Foundation
import TestSupport
import Testing

/// Versions §1: files of every version are read for ever. The files and what is in them were made by
/// `Fixtures/generate_formats.py`; what is in them comes from the Python package.
@Suite struct GoldenFileTests {
  static let folder = TestFiles.fixture("formats/v1")
  private static let expected = (try? TestFiles.json("\(folder)/expected.json").object) ?? nil
  /// The name of each file and of its content.
  static let table = (expected?["files"]?.object?.members ?? []).map {
    (file: $0.key, content: $0.value.string ?? "")
  }

  @Test("the table of contents lists every file and no other")
  func complete() throws {
    #expect(!Self.table.isEmpty)
    #expect(
      try Paths.entries(of: Self.folder).filter { $0 != "expected.json" }.sorted()
        == Self.table.map(\.file).sorted())
    let contents = Self.expected?["contents"]?.object?.members.map(\.key) ?? []
    #expect(Set(contents) == Set(Self.table.map(\.content)))
  }

  @Test("each holds what it held when it was written", arguments: table.map(\.file))
  func content(_ file: String) throws {
    let name = try #require(Self.table.first { $0.file == file }?.content)
    let expected = try #require(Self.expected?["contents"]?.object?[name]?.object)
    let path = "\(Self.folder)/\(file)"
    let found: JSONValue
    switch expected["kind"]?.string {
    case "adapter":
      let adapter = try Adapter(path: path)
      // Container §4.6 gives containers alone an identity.
      let isContainer = file.hasSuffix(".reslora")
      let identity = adapter.details.first { $0.name == "identity" }?.value
      #expect(identity == (isContainer ? expected["identity"]?.string : nil))
      found = try ContentDump.adapter(adapter, identity: expected["identity"])
      #expect(adapter.notes.isEmpty)
    case "windows": found = ContentDump.windows(try WindowsFile(path: path))
    case "activations": found = try ContentDump.activations(ActivationFile(path: path))
    default: throw UnknownKind()
    }
    #expect(found.sortedMembers == JSONValue.object(expected).sortedMembers)
  }

  @Test("validate finds nothing wrong with any of them")
  func valid() throws {
    let outcome = try Tool.run(
      ["validate", "--json"] + Self.table.map(\.file), in: Self.folder)
    #expect(outcome.status == 0)
    for file in try outcome.json()["files"]?.array ?? [] {
      #expect(file.object?["violations"]?.array?.isEmpty == true, "\(outcome.output)")
    }
  }

  @Test("the Python package still reads them, too", Python.isThere)
  func python() throws {
    let folder = TemporaryFolder()
    let files = Self.table.filter { !$0.content.hasPrefix("windows") }
    let lines = try Python.dump(files.map { "\(Self.folder)/\($0.file)" }, in: folder)
    for (file, line) in zip(files, lines) {
      let expected = try #require(Self.expected?["contents"]?.object?[file.content])
      #expect(line == expected.serialized(), "\(file.file)")
    }
    #expect(lines.count == files.count)
  }

  private struct UnknownKind: Error {}
}
