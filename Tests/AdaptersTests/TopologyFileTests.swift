import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Topology files (Merging §3.4).
@Suite struct TopologyFileTests {
  private func folder() throws -> PublishedFolder {
    try PublishedFolder(modules: ["l.0.q_proj", "l.1.q_proj", "l.2.q_proj"])
  }

  private static let chain =
    #""previous": {"l.0.q_proj": null, "l.1.q_proj": "l.0.q_proj", "l.2.q_proj": "l.1.q_proj"}"#

  private func expectRefused(
    _ text: String, _ reason: SidecarError.Reason, line: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try folder()
    let error = #expect(throws: SidecarError.self, sourceLocation: sourceLocation) {
      try folder.open(topology: text)
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == folder.topologyPath, sourceLocation: sourceLocation)
    if let line {
      #expect(
        error?.description == "\(folder.topologyPath): \(line)", sourceLocation: sourceLocation)
    }
  }

  private func expectRefused(
    previous: String, structure: String = "is", _ expected: AdapterError, line: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try folder()
    let error = #expect(throws: AdapterError.self, sourceLocation: sourceLocation) {
      try folder.open(topology: #"{"structure": "\#(structure)", "previous": {\#(previous)}}"#)
    }
    let path = folder.topologyPath
    #expect(
      error == .inAdapter(source: path, expected), sourceLocation: sourceLocation)
    if let line {
      #expect(error?.description == "\(path): \(line)", sourceLocation: sourceLocation)
    }
  }

  @Test("what the file states overrides the source, and is said")
  func overrides() throws {
    let folder = try folder()
    let adapter = try folder.open(
      topology: #"{"structure": "bs", "root": "none", "pre_num": 5, "previous": {"#
        + #""l.2.q_proj": null, "l.1.q_proj": "l.2.q_proj", "l.0.q_proj": "l.2.q_proj"}}"#)
    #expect(adapter.structure == .blockShortcut)
    #expect(adapter.topology.root == .nothing)
    #expect(adapter.topology.reach.rawValue == 5)
    #expect(
      adapter.links == ["l.0.q_proj<l.2.q_proj", "l.1.q_proj<l.2.q_proj", "l.2.q_proj<-"])
    #expect(adapter.notes == ["topology from \(folder.topologyPath)"])
  }

  @Test("what the file does not state stays that of the source")
  func keeps() throws {
    let folder = try PublishedFolder(
      modules: ["a.q_proj", "b.q_proj"], config: ["res_flag": "3", "pre_num": "2"])
    let adapter = try folder.open(
      topology: #"{"structure": null, "previous": {"a.q_proj": null, "b.q_proj": null}}"#)
    #expect(adapter.structure == .middleShortcut)
    #expect(adapter.topology.root == .ownInput)
    #expect(adapter.topology.reach.rawValue == 2)
    #expect(adapter.links == ["a.q_proj<-", "b.q_proj<-"])
  }

  @Test("what is stated beside the file overrides both")
  func commandLine() throws {
    let folder = try folder()
    try folder.writeTopology(
      #"{"structure": "bs", "root": "none", "pre_num": 5, \#(TopologyFileTests.chain)}"#)
    var overrides = AdapterOverrides(topology: try TopologyFile(path: folder.topologyPath))
    overrides.root = .ownInput
    overrides.reach = .all
    let adapter = try folder.open(overrides)
    #expect(adapter.topology.root == .ownInput)
    #expect(adapter.topology.reach == .all)
    #expect(adapter.topology.previous == [nil, 0, 1])
  }

  @Test("an unknown block, with the names it may have meant")
  func unknownBlock() throws {
    try expectRefused(
      #"{"previous": {"l.0.q_proj": null, "l.1.q_proj": null, "l.2.q_pro": null}}"#,
      .unknownBlock("l.2.q_pro", nearest: ["'l.2.q_proj'", "'l.0.q_proj'"]),
      line: "block 'l.2.q_pro' is not in the adapter (nearest: 'l.2.q_proj', 'l.0.q_proj')")
    try expectRefused(
      #"{\#(TopologyFileTests.chain.dropLast()), "something.else.entirely": null}}"#,
      .unknownBlock("something.else.entirely", nearest: []),
      line: "block 'something.else.entirely' is not in the adapter")
  }

  @Test("a missing block")
  func missingBlock() throws {
    try expectRefused(
      #"{"previous": {"l.0.q_proj": null, "l.2.q_proj": null}}"#, .missingBlock("l.1.q_proj"),
      line: "block 'l.1.q_proj' of the adapter is missing")
    try expectRefused(#"{"previous": {}}"#, .missingBlock("l.0.q_proj"))
  }

  @Test("a cycle", arguments: ["is", "bs", "ms"])
  func cycle(_ structure: String) throws {
    // l.2 leads into the cycle and is no part of it.
    try expectRefused(
      previous:
        #""l.2.q_proj": "l.1.q_proj", "l.0.q_proj": "l.1.q_proj", "l.1.q_proj": "l.0.q_proj""#,
      structure: structure, .cycle(block: "l.0.q_proj"),
      line: "block 'l.0.q_proj': is its own predecessor along a cycle")
  }

  @Test("a block that is its own predecessor")
  func selfCycle() throws {
    try expectRefused(
      previous: #""l.0.q_proj": null, "l.1.q_proj": "l.1.q_proj", "l.2.q_proj": null"#,
      .cycle(block: "l.1.q_proj"))
  }

  @Test("a predecessor that is no block", arguments: ["is", "bs", "ms"])
  func unknownPredecessor(_ structure: String) throws {
    try expectRefused(
      previous: #""l.0.q_proj": null, "l.1.q_proj": "l.9.q_proj", "l.2.q_proj": null"#,
      structure: structure, .unknownPredecessor(block: "l.1.q_proj", found: "l.9.q_proj"),
      line: "block 'l.1.q_proj': predecessor is not in the adapter (found 'l.9.q_proj')")
  }

  @Test("in plain, predecessors are ignored, whatever they are")
  func plain() throws {
    let adapter = try folder().open(
      topology: #"{"structure": "plain", "previous": {"l.0.q_proj": "l.0.q_proj", "#
        + #""l.1.q_proj": "nobody", "l.2.q_proj": "l.1.q_proj"}}"#)
    #expect(adapter.topology.previous == [nil, nil, nil])
  }

  @Test("unknown keys", arguments: ["prev_num", "Structure", "previous ", ""])
  func unknownKey(_ key: String) throws {
    try expectRefused(
      #"{"\#(key)": 1, \#(TopologyFileTests.chain)}"#, .unknownKey(key),
      line: "unknown key '\(key)'")
  }

  @Test(
    "duplicate keys",
    arguments: [
      (#"{"root": "self", "root": "self"}"#, "root"),
      (#"{"previous": {"a": null, "\u0061": null}}"#, "a"),
    ])
  func duplicateKey(_ text: String, _ key: String) throws {
    let offset = text.utf8.count - (key == "a" ? 2 : 1)
    try expectRefused(
      text, .json(JSONError(reason: .duplicateKey(key), offset: offset)),
      line: "duplicate key '\(key)' in JSON (at byte \(offset))")
  }

  @Test(
    "values that mean nothing",
    arguments: [
      (#""structure": "xs""#, "structure", #""xs""#, #""plain", "is", "bs", "ms""#),
      (#""structure": 1"#, "structure", "1", "a string"),
      (#""root": "zero""#, "root", #""zero""#, #""self", "none""#),
      (#""pre_num": -2"#, "pre_num", "-2", "a whole number from -1 to 9223372036854775807"),
      (#""pre_num": 1.0"#, "pre_num", "1.0", "a whole number from -1 to 9223372036854775807"),
    ])
  func badValue(_ member: String, _ key: String, _ found: String, _ expected: String) throws {
    try expectRefused(
      "{\(member), \(TopologyFileTests.chain)}",
      .badValue(key: key, found: found, expected: expected),
      line: "bad '\(key)' (found \(found), expected \(expected))")
  }

  @Test("a predecessor that is no name")
  func badPredecessor() throws {
    try expectRefused(
      #"{"previous": {"l.0.q_proj": 0}}"#,
      .badValue(key: "l.0.q_proj", found: "0", expected: "a block's name or null"))
  }

  @Test(
    "no links",
    arguments: ["{}", #"{"structure": "is"}"#, #"{"previous": null}"#, #"{"previous": []}"#])
  func noLinks(_ text: String) throws {
    try expectRefused(
      text, .missing(key: "previous", expected: "an object of block to predecessor"),
      line: "lacks 'previous' (expected an object of block to predecessor)")
  }

  @Test("beside an adapter that says nothing of links: a PEFT folder")
  func besidePEFT() throws {
    let folder = try PEFTTestFolder(TestTensor.peft("a") + TestTensor.peft("b"))
    let path = try folder.folder.write(
      text: #"{"structure": "bs", "previous": {"a": null, "b": "a"}}"#, to: "links.json")
    var overrides = AdapterOverrides(topology: try TopologyFile(path: path))
    #expect(
      throws: AdapterError.unstated(
        source: folder.path, what: "number of predecessors", advice: "pass --pre-num N")
    ) { try folder.open(overrides) }
    overrides.reach = .all
    let adapter = try folder.open(overrides)
    #expect(adapter.structure == .blockShortcut)
    #expect(adapter.links == ["a<-", "b<a"])
  }
}
