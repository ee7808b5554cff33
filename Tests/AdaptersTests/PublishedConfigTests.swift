import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// What `reslora_config.json` may say, and where it is looked for.
@Suite struct PublishedConfigTests {
  private func expectRefused(
    _ changes: KeyValuePairs<String, String?>, _ reason: SidecarError.Reason, line: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try PublishedFolder(modules: ["l.0.q_proj"], config: changes)
    let error = #expect(throws: SidecarError.self, sourceLocation: sourceLocation) {
      try folder.open()
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == folder.configPath, sourceLocation: sourceLocation)
    #expect(error?.failureKind == .badData, sourceLocation: sourceLocation)
    if let line {
      #expect(
        error?.description == "\(folder.configPath): \(line)", sourceLocation: sourceLocation)
    }
  }

  @Test(
    "a rank that is none",
    arguments: [
      "0", "-1", "9223372036854775808", #""8""#, "1.5", "4.0", "1e1", "[4]", "true", "1048577",
    ])
  func badRank(_ rank: String) throws {
    try expectRefused(
      ["rank": rank],
      .badValue(key: "rank", found: rank, expected: "a whole number from 1 to 1048576"),
      line: "bad 'rank' (found \(rank), expected a whole number from 1 to 1048576)")
  }

  @Test("NaN and infinities are no JSON", arguments: ["NaN", "Infinity", "-Infinity", "nan"])
  func notJSON(_ value: String) throws {
    let folder = try PublishedFolder(modules: ["l.0.q_proj"], config: ["rank": value])
    let error = #expect(throws: SidecarError.self) { try folder.open() }
    guard case .json = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(
    "keys that have no default",
    arguments: [
      ("rank", "a whole number from 1 on"), ("lora_alpha", "a number"),
      ("res_flag", "0 plain, 1 is, 2 bs or 3 ms"),
    ])
  func missing(_ key: String, _ expected: String) throws {
    for value in [nil, "null"] {
      try expectRefused(
        [key: value], .missing(key: key, expected: expected),
        line: "lacks '\(key)' (expected \(expected))")
    }
  }

  @Test("a lora_alpha that is none", arguments: [#""4""#, "1e400", "-1e999", "[]"])
  func badAlpha(_ alpha: String) throws {
    try expectRefused(
      ["lora_alpha": alpha],
      .badValue(key: "lora_alpha", found: alpha, expected: "a finite number"))
  }

  @Test(
    "a fractional, negative or zero lora_alpha is a scaling",
    arguments: [
      ("2.5", 1.25), ("-4", -2), ("0", 0), ("1e2", 50),
    ])
  func oddAlpha(_ alpha: String, _ scaling: Double) throws {
    let folder = try PublishedFolder(modules: ["l.0.q_proj"], config: ["lora_alpha": alpha])
    #expect(try folder.open().blocks.map(\.scaling) == [scaling])
  }

  @Test("a res_flag out of range", arguments: ["-1", "4", #""1""#, "1.0"])
  func badFlag(_ flag: String) throws {
    try expectRefused(
      ["res_flag": flag],
      .badValue(key: "res_flag", found: flag, expected: "a whole number from 0 to 3"),
      line: "bad 'res_flag' (found \(flag), expected a whole number from 0 to 3)")
  }

  @Test(
    "other values out of range",
    arguments: [
      ("pre_num", "-2", "a whole number from -1 to 9223372036854775807"),
      ("pre_num", "0.5", "a whole number from -1 to 9223372036854775807"),
      ("merge_4_len", "0", "a whole number from 1 to 1048576"),
      ("target_modules", "3", "a string"), ("target_modules", #"["q"]"#, "a string"),
    ])
  func badValue(_ key: String, _ value: String, _ expected: String) throws {
    try expectRefused([key: value], .badValue(key: key, found: value, expected: expected))
  }

  @Test("a long bad value is shown in part, what steers a terminal escaped")
  func longValue() throws {
    let long = "\"" + String(repeating: "x", count: 100) + "\""
    try expectRefused(
      ["rank": long],
      .badValue(
        key: "rank", found: "\(long.prefix(60))…", expected: "a whole number from 1 to 1048576"))
    try expectRefused(
      ["rank": "\"\u{202e}\""],
      .badValue(key: "rank", found: "\"\u{202e}\"", expected: "a whole number from 1 to 1048576"),
      line: #"bad 'rank' (found "\u{202e}", expected a whole number from 1 to 1048576)"#)
  }

  @Test(
    "a key twice, and a file that is no object",
    arguments: [
      (
        #"{"rank": 2, "r\u0061nk": 4}"#,
        SidecarError.Reason.json(JSONError(reason: .duplicateKey("rank"), offset: 26))
      ),
      ("[]", .notAnObject), ("4", .notAnObject),
      ("", .json(JSONError(reason: .unexpectedEnd, offset: 0))),
      ("\u{feff}{}", .json(JSONError(reason: .byteOrderMark, offset: 0))),
      ("{\"rank\": 2,}", .json(JSONError(reason: .unexpected(expected: "a string"), offset: 11))),
    ])
  func text(_ text: String, _ reason: SidecarError.Reason) throws {
    let folder = try PublishedFolder(modules: ["l.0.q_proj"])
    try folder.folder.write(text: text, to: "reslora_config.json")
    let error = #expect(throws: SidecarError.self) { try folder.open() }
    #expect(error?.reason == reason)
  }

  @Test("pre_num has no default for bs and ms, and can be stated beside", arguments: ["2", "3"])
  func missingReach(_ flag: String) throws {
    let folder = try PublishedFolder(
      modules: ["l.0.q_proj", "l.1.q_proj"], config: ["res_flag": flag, "pre_num": nil])
    let error = #expect(throws: AdapterError.self) { try folder.open() }
    #expect(
      error
        == .unstated(
          source: folder.path, what: "number of predecessors", advice: "pass --pre-num N"))
    #expect(
      error?.description
        == "\(folder.path): says nothing of the number of predecessors; pass --pre-num N")
    let reach = try #require(PredecessorCount(1))
    #expect(try folder.open(AdapterOverrides(reach: reach)).topology.reach == reach)
    #expect(
      try folder.open(
        topology: #"{"pre_num": 7, "previous": {"l.0.q_proj": null, "l.1.q_proj": null}}"#
      ).topology.reach.rawValue == 7)
  }

  @Test("pre_num may be absent for plain and is", arguments: ["0", "1"])
  func needlessReach(_ flag: String) throws {
    let folder = try PublishedFolder(
      modules: ["l.0.q_proj", "l.1.q_proj"], config: ["res_flag": flag, "pre_num": nil])
    #expect(try folder.open().blocks.count == 2)
  }

  @Test("a checkpoint without its config")
  func noConfig() throws {
    let folder = TemporaryFolder()
    let path = try folder.write(
      tensors: TestTensor.published("l.0.q_proj"), to: "model.safetensors")
    let error = #expect(throws: AdapterError.self) { try Adapter(path: path) }
    #expect(
      error
        == .unstated(
          source: path, what: "scaling and structure",
          advice: "put the reslora_config.json of the training run beside it"))
    #expect(
      error?.description == "\(path): says nothing of the scaling and structure; "
        + "put the reslora_config.json of the training run beside it")
  }

  @Test("the settings inside a whole model's own config.json")
  func modelConfig() throws {
    let folder = TemporaryFolder()
    let path = try folder.write(
      tensors: TestTensor.published("l.0.q_proj") + TestTensor.published("l.1.q_proj"),
      to: "model.safetensors")
    let config = PublishedFolder.config.changed(["res_flag": "2", "pre_num": "-1"])
    try folder.write(
      text: #"{"model_type": "x", "resconfig": \#(config.text)}"#, to: "config.json")
    let adapter = try Adapter(path: path)
    #expect(adapter.structure == .blockShortcut)
    #expect(adapter.topology.reach == .all)
    #expect(adapter.links == ["l.0.q_proj<-", "l.1.q_proj<l.0.q_proj"])
    // Its errors name config.json.
    let broken = config.changed(["rank": "0"])
    try folder.write(text: #"{"resconfig": \#(broken.text)}"#, to: "config.json")
    let error = #expect(throws: SidecarError.self) { try Adapter(path: path) }
    #expect(error?.path == folder.file("config.json"))
    // A config.json without the settings is none.
    for text in [#"{"model_type": "x"}"#, #"{"resconfig": null}"#] {
      try folder.write(text: text, to: "config.json")
      let error = #expect(throws: AdapterError.self) { try Adapter(path: path) }
      guard case .unstated = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test("reslora_config.json goes before config.json")
  func bothConfigs() throws {
    let folder = try PublishedFolder(modules: ["l.0.q_proj"], config: ["lora_alpha": "6"])
    try folder.folder.write(
      text: #"{"resconfig": \#(PublishedFolder.config.text)}"#, to: "config.json")
    #expect(try folder.open().blocks.map(\.scaling) == [3])
  }
}
