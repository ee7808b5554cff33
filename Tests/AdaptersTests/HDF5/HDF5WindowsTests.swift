import ByteIO
import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Norm windows in an HDF5 file of their own (Adapter in HDF5 §3).
@Suite struct HDF5WindowsTests {
  typealias Changes = TestHDF5Adapter.Changes

  private let folder = TemporaryFolder()

  private static let sketch = HDF5Sketch([
    "/@format": .attribute(.string("reslora-windows")),
    "/@version": .attribute(.integer(1)),
    "/blocks/z/windows/input": .doubles([3, 0.25]),
    "/blocks/z/windows/projection": .doubles([0]),
    "/blocks/a%2Fb/windows/projection": .doubles([5]),
  ])

  private func write(_ changes: Changes = [:]) throws -> String {
    try Self.sketch.changed(changes).write(to: folder.file("windows.bin"))
  }

  @Test("what the file says")
  func reads() throws {
    let file = try WindowsFile(path: write())
    #expect(file.format == "norm windows in HDF5")
    #expect(file.blocks.map(\.name) == ["a/b", "z"])
    #expect(
      file.blocks.map(\.windows) == [
        NormWindows(projection: NormWindow([5])),
        NormWindows(input: NormWindow([3, 0.25]), projection: NormWindow([0])),
      ])
  }

  @Test("a block without norms, and no block at all, say nothing")
  func empty() throws {
    let changes: Changes = ["/blocks/x": .group, "/blocks/y/windows": .group]
    #expect(
      try WindowsFile(path: write(changes)).blocks.filter { !$0.windows.isEmpty }.map(\.name)
        == ["a/b", "z"])
    #expect(try WindowsFile(path: write(["/blocks": nil])).blocks.isEmpty)
  }

  @Test("JSON and HDF5 hold the same")
  func formats() throws {
    let path = try write()
    let (json, back) = (folder.file("x.json"), folder.file("x.h5"))
    try WindowsFile(path: path).writeJSON(to: json, replacing: false)
    let middle = try WindowsFile(path: json)
    #expect(middle.format == "norm windows in JSON")
    try middle.writeHDF5(to: back, replacing: false)
    let text = String(decoding: try ReadableFile.contents(of: json, limit: 999), as: UTF8.self)
    let expected = #"""
      {
        "a/b": {
          "projection": [5]
        },
        "z": {
          "input": [3, 0.25],
          "projection": [0]
        }
      }

      """#
    #expect(text == expected)
    #expect(
      try WindowsFile(path: back).blocks.map(\.windows)
        == WindowsFile(path: path).blocks.map(\.windows))
    #expect(throws: FileError.exists(path: back)) {
      try middle.writeHDF5(to: back, replacing: false)
    }
    #expect(throws: FileError.exists(path: json)) {
      try middle.writeJSON(to: json, replacing: false)
    }
  }

  @Test("they go beside an adapter, and may not name a block that it lacks")
  func beside() throws {
    let adapter = folder.file("adapter")
    try TestLoRA([("a/b", 1, 1), ("z", 1, 1)]).write(to: adapter, as: .safetensors)
    let windows = try WindowsFile(path: write())
    let both = try Adapter(path: adapter, overrides: AdapterOverrides(windows: windows))
    #expect(both.blocks[0].windows == NormWindows(projection: NormWindow([5])))
    #expect(both.blocks[1].windows.input.values == [3, 0.25])
    let path = try write(["/blocks/zz/windows/input": .doubles([1])])
    let other = try WindowsFile(path: path)
    #expect(
      throws: SidecarError(path: path, reason: .unknownBlock("zz", nearest: ["'z'"]))
    ) { try Adapter(path: adapter, overrides: AdapterOverrides(windows: other)) }
  }

  @Test("a capacity that the file states holds beside an adapter, too")
  func capacity() throws {
    let adapter = folder.file("adapter")
    try TestLoRA([("a/b", 1, 1), ("z", 1, 1)]).write(to: adapter, as: .safetensors)
    let norms = [Double](repeating: 1, count: 150)
    let windows = try WindowsFile(
      path: write([
        "/blocks/z/windows@capacity": .attribute(.integer(200)),
        "/blocks/z/windows/input": .doubles(norms),
      ]))
    let both = try Adapter(path: adapter, overrides: AdapterOverrides(windows: windows))
    #expect(both.blocks.map(\.windows.capacity) == [100, 200])
    #expect(both.blocks[1].windows.input.values == norms)
  }

  static let rows: [(Changes, ContentError.Reason, owner: String?, rule: String)] = [
    (["/@version": nil], .missing(key: "version", expected: "1"), nil, "Adapter in HDF5 §3"),
    (
      ["/@version": .attribute(.integer(2))], .unknownVersion(found: 2, known: 1), nil,
      "Versions §2"
    ),
    (["/blocks/50%": .group], .badEscape("/blocks/50%"), nil, "Adapter in HDF5 §1.4"),
    (["/blocks/%00": .group], .badName("\0"), "block '\\u{0}'", "Adapter §1.2"),
    (["/blocks/%7A": .group], .duplicateBlock, "block 'z'", "Adapter §1.2"),
    (
      ["/blocks/z/windows/input": .doubles([-1])], .badNorm(window: "input", found: "-1.0"),
      "block 'z'", "Adapter §1.5"
    ),
    (
      ["/blocks/z/windows@capacity": .attribute(.integer(1))],
      .windowTooLong(window: "input", found: 2, capacity: 1), "block 'z'", "Adapter §1.5"
    ),
    (
      ["/blocks/z/windows@capacity": .attribute(.integer(0))],
      .badValue(key: "capacity", found: "0", expected: "a whole number from 1 on"), "block 'z'",
      "Adapter in HDF5 §2.4"
    ),
  ]

  @Test("rules of norm windows, one broken at a time", arguments: rows.indices)
  func refused(_ number: Int) throws {
    let row = Self.rows[number]
    let path = try write(row.0)
    let error = #expect(throws: ContentError.self) { try WindowsFile(path: path) }
    #expect(error == ContentError(path: path, owner: row.owner, rule: row.rule, reason: row.1))
  }

  @Test("every broken rule is listed, and what the page does not name")
  func all() throws {
    let path = try write([
      "/@x": .attribute(.integer(1)), "/x": .group, "/blocks@x": .attribute(.integer(1)),
      "/blocks/b": .text("x"), "/blocks/z/windows/input": .doubles([-1]),
      "/blocks/z/windows/projection": .text("x"), "/blocks/a%2Fb/windows": nil,
      "/blocks/a%2Fb/windows": .doubles([1]), "/blocks/z@index": .attribute(.integer(0)),
    ])
    let check = RuleCheck.collecting()
    _ = try WindowsFile(InputProbe(path: path), check: check)
    #expect(
      check.violations.map { $0.message.replacing("\(path): ", with: "") } == [
        "/x is no part of it and is ignored [Adapter in HDF5 §1.1]",
        "attribute x of / is no part of it and is ignored [Adapter in HDF5 §1.1]",
        "attribute x of /blocks is no part of it and is ignored [Adapter in HDF5 §1.1]",
        "group '/blocks/a%2Fb/windows': is of the wrong kind (found a dataset, expected a group)",
        "group '/blocks/b': is of the wrong kind (found a dataset, expected a group)",
        "attribute index of /blocks/z is no part of it and is ignored [Adapter in HDF5 §1.1]",
        "dataset '/blocks/z/windows/projection': is of the wrong kind (found strings of 1 bytes, "
          + "expected F64 of rank 1)",
      ])
    #expect(
      check.violations.map(\.rule) == [
        "Adapter in HDF5 §1.1", "Adapter in HDF5 §1.1", "Adapter in HDF5 §1.1",
        "Adapter in HDF5 §3", "Adapter in HDF5 §3", "Adapter in HDF5 §1.1", "Adapter in HDF5 §3",
      ])
  }
}
