import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Norm-window files (Merging §3.5).
@Suite struct WindowsFileTests {
  private func folder(capacity: String? = nil) throws -> PublishedFolder {
    try PublishedFolder(
      modules: ["l.0.q_proj", "l.1.q_proj"], config: ["merge_4_len": capacity ?? "100"])
  }

  private func expectRefused(
    _ text: String, capacity: String? = nil, _ reason: SidecarError.Reason, line: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try folder(capacity: capacity)
    let error = #expect(throws: SidecarError.self, sourceLocation: sourceLocation) {
      try folder.open(windows: text)
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == folder.windowsPath, sourceLocation: sourceLocation)
    if let line {
      #expect(
        error?.description == "\(folder.windowsPath): \(line)", sourceLocation: sourceLocation)
    }
  }

  @Test("values oldest to newest, for the blocks the file names")
  func values() throws {
    let adapter = try folder().open(
      windows: #"{"l.1.q_proj": {"input": [3, 1.5, 0, 2e2], "projection": [0.25]}}"#)
    #expect(adapter.blocks[0].windows.isEmpty)
    #expect(adapter.blocks[1].windows.input.values == [3, 1.5, 0, 200])
    #expect(adapter.blocks[1].windows.projection.values == [0.25])
    #expect(adapter.blocks[1].windows.input.mean == 51.125)
    #expect(adapter.hasWindows)
  }

  @Test(
    "lists that are absent, null or empty are empty windows",
    arguments: [
      "{}", #"{"l.0.q_proj": {}}"#, #"{"l.0.q_proj": {"input": null, "projection": null}}"#,
      #"{"l.0.q_proj": {"input": [], "projection": []}}"#,
    ])
  func empty(_ text: String) throws {
    let adapter = try folder().open(windows: text)
    #expect(!adapter.hasWindows)
    #expect(adapter.blocks[0].windows.input.mean == nil)
  }

  @Test("a window over its capacity", arguments: ["input", "projection"])
  func capacity(_ kind: String) throws {
    func text(_ count: Int) -> String {
      let list = [String](repeating: "1", count: count).joined(separator: ",")
      return #"{"l.0.q_proj": {"\#(kind)": [\#(list)]}}"#
    }
    #expect(try folder().open(windows: text(100)).hasWindows)
    try expectRefused(
      text(101),
      .windowTooLong(block: "l.0.q_proj", kind: kind, found: 101, capacity: 100),
      line: "block 'l.0.q_proj': \(kind) window too long (found 101, expected at most 100)")
    // A published config states its own.
    try expectRefused(
      text(4), capacity: "3",
      .windowTooLong(block: "l.0.q_proj", kind: kind, found: 4, capacity: 3))
    #expect(try folder(capacity: "250").open(windows: text(250)).hasWindows)
  }

  @Test("a capacity that the file states goes before that of the config")
  func statedCapacity() throws {
    let adapter = try folder(capacity: "3").open(
      windows: #"{"l.0.q_proj": {"input": [1, 2, 3, 4], "capacity": 7}}"#)
    #expect(adapter.blocks[0].windows.capacity == 7)
    try expectRefused(
      #"{"l.0.q_proj": {"input": [1, 2, 3, 4], "capacity": 3}}"#,
      .windowTooLong(block: "l.0.q_proj", kind: "input", found: 4, capacity: 3))
    for capacity in ["0", "-1", "1.5", #""7""#] {
      try expectRefused(
        #"{"l.0.q_proj": {"input": [1], "capacity": \#(capacity)}}"#,
        .badValue(
          key: "l.0.q_proj.capacity", found: capacity, expected: "a whole number from 1 on"))
    }
  }

  @Test("capacities survive writing as JSON and as HDF5")
  func writing() throws {
    let folder = TemporaryFolder()
    let (text, json, hdf5) = (folder.file("a.json"), folder.file("b.json"), folder.file("b.h5"))
    let list = [String](repeating: "1", count: 120).joined(separator: ",")
    try OutputFile.write(
      Array(
        #"{"x": {"input": [\#(list)], "capacity": 120}, "y": {"projection": [2], "capacity": 5}}"#
          .utf8),
      to: text,
      replacing: false)
    let read = try WindowsFile(path: text)
    try read.writeJSON(to: json, replacing: false)
    try read.writeHDF5(to: hdf5, replacing: false)
    for path in [json, hdf5] {
      let again = try WindowsFile(path: path)
      #expect(again.blocks.map(\.name) == ["x", "y"])
      #expect(again.blocks.map(\.windows.capacity) == [120, 5])
      #expect(again.blocks.map(\.windows) == read.blocks.map(\.windows))
    }
  }

  @Test(
    "norms that are none",
    arguments: [
      "-1", "-1e-300", "1e400", "-1e999", #""1""#, "null", "true", "[1]",
    ])
  func badNorm(_ norm: String) throws {
    for kind in ["input", "projection"] {
      try expectRefused(
        #"{"l.0.q_proj": {"\#(kind)": [1, \#(norm)]}}"#,
        .badNorm(block: "l.0.q_proj", kind: kind, found: norm),
        line: "block 'l.0.q_proj': bad norm in the \(kind) window "
          + "(found \(norm), expected a finite number from 0 on)")
    }
  }

  @Test("a window that is no list", arguments: ["1", #""1""#, "{}", "false"])
  func noList(_ value: String) throws {
    try expectRefused(
      #"{"l.0.q_proj": {"input": \#(value)}}"#,
      .badNorm(block: "l.0.q_proj", kind: "input", found: value))
  }

  @Test("NaN is no JSON")
  func nan() throws {
    try expectRefused(
      #"{"l.0.q_proj": {"input": [NaN]}}"#,
      .json(JSONError(reason: .unexpected(expected: "a value"), offset: 26)))
  }

  @Test("a block that is none, with the names it may have meant")
  func unknownBlock() throws {
    try expectRefused(
      #"{"l.2.q_proj": {"input": [1]}}"#,
      .unknownBlock("l.2.q_proj", nearest: ["'l.0.q_proj'", "'l.1.q_proj'"]),
      line: "block 'l.2.q_proj' is not in the adapter (nearest: 'l.0.q_proj', 'l.1.q_proj')")
  }

  @Test("an unknown key, and a block that is no object")
  func unknownKey() throws {
    try expectRefused(
      #"{"l.0.q_proj": {"output": [1]}}"#, .unknownKey("l.0.q_proj.output"),
      line: "unknown key 'l.0.q_proj.output'")
    try expectRefused(
      #"{"l.0.q_proj": [1]}"#,
      .badValue(
        key: "l.0.q_proj", found: "something else", expected: "an object of windows"))
  }

  @Test(
    "a key twice, and no object",
    arguments: [
      (
        #"{"l.0.q_proj": {}, "l.0.q_proj": {}}"#,
        SidecarError.Reason.json(JSONError(reason: .duplicateKey("l.0.q_proj"), offset: 35))
      ),
      (
        #"{"l.0.q_proj": {"input": [1], "input": [2]}}"#,
        .json(JSONError(reason: .duplicateKey("input"), offset: 42))
      ),
      ("[]", .notAnObject),
    ])
  func text(_ text: String, _ reason: SidecarError.Reason) throws {
    try expectRefused(text, reason)
  }

  @Test("windows beside an adapter take the place of those it stores, block by block")
  func replacing() throws {
    let folder = TemporaryFolder()
    let path = try folder.write(
      text: #"{"tree.tip": {"input": [5]}}"#, to: "windows.json")
    let adapter = try Adapter(
      path: FixtureCase("synthetic/is-tree").adapterPath,
      overrides: AdapterOverrides(windows: WindowsFile(path: path)))
    let tip = try #require(adapter.blocks.first { $0.name == "tree.tip" })
    let leaf = try #require(adapter.blocks.first { $0.name == "tree.leaf" })
    #expect(tip.windows == NormWindows(input: NormWindow([5])))
    #expect(leaf.windows.input.values.count == 5)
  }
}
