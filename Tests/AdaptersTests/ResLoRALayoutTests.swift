import Adapters
import ByteIO
import Safetensors
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Adapters in one safetensors file (Adapter in safetensors §1, §2).
@Suite struct ResLoRALayoutTests {
  private let folder = TemporaryFolder()

  private static let top = JSONText([
    "format": #""reslora-adapter""#, "version": "1", "structure": #""is""#,
    "root": #""none""#, "pre_num": "2",
    "blocks": #"[{"name": "a", "scaling": 2, "previous": null}, "#
      + #"{"name": "b", "scaling": 0.5, "previous": "a", "windows": {"input": [3, 4]}}]"#,
  ])

  private static let tensors = ["a", "b"].flatMap { name in
    [
      TestTensor(TensorName("\(name).lora_A"), [2, 4]),
      TestTensor(TensorName("\(name).lora_B"), [3, 2]),
    ]
  }

  private func write(
    _ changes: KeyValuePairs<String, String?> = [:],
    tensors: [TestTensor] = ResLoRALayoutTests.tensors
  ) throws -> String {
    try folder.write(
      tensors: tensors, metadata: [("reslora", ResLoRALayoutTests.top.changed(changes).text)],
      to: "adapter.safetensors")
  }

  private func expectRefused(
    _ changes: KeyValuePairs<String, String?>, _ reason: ContentError.Reason,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let path = try write(changes)
    let error = #expect(throws: ContentError.self, sourceLocation: sourceLocation) {
      try Adapter(path: path)
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == path, sourceLocation: sourceLocation)
  }

  @Test("everything that the metadata say")
  func reads() throws {
    let path = try write()
    let adapter = try Adapter(path: path)
    #expect(adapter.format == "ResLoRA safetensors")
    #expect(adapter.structure == .inputShortcut)
    #expect(adapter.topology.root == .nothing)
    #expect(adapter.topology.reach.rawValue == 2)
    #expect(adapter.links == ["a<-", "b<a"])
    #expect(adapter.blocks.map(\.scaling) == [2, 0.5])
    #expect(adapter.blocks[1].windows == NormWindows(input: NormWindow([3, 4])))
    #expect(!adapter.blocks[0].b.ranks.isEmpty && adapter.blocks[0].outFeatures == 3)
    #expect(adapter.notes.isEmpty)
  }

  @Test("what has a default")
  func defaults() throws {
    let adapter = try Adapter(path: write(["root": nil, "pre_num": nil, "structure": #""ms""#]))
    #expect(adapter.topology.root == .ownInput)
    #expect(adapter.topology.reach == .all)
  }

  @Test("a topology file and windows beside it override what it stores")
  func overrides() throws {
    let path = try write()
    let links = try folder.write(text: #"{"previous": {"a": "b", "b": null}}"#, to: "links.json")
    let norms = try folder.write(text: #"{"b": {"projection": [1]}}"#, to: "norms.json")
    let adapter = try Adapter(
      path: path,
      overrides: AdapterOverrides(
        topology: TopologyFile(path: links), windows: WindowsFile(path: norms)))
    #expect(adapter.links == ["a<b", "b<-"])
    #expect(adapter.topology.root == .nothing)
    #expect(adapter.blocks[1].windows == NormWindows(projection: NormWindow([1])))
  }

  @Test("what is written is read the same", arguments: [DType.f64, .f32, .f16, .bf16])
  func roundTrip(_ dtype: DType) throws {
    let lora = TestLoRA(
      [("l.0.q", 2, 4), ("base_model.model.x", 4, 1.0 / 3), ("é", 1, -0.1), ("e\u{301}", 3, 0)],
      dtypes: (dtype, .f32))
    let path = folder.file("out.safetensors")
    try lora.write(to: path, as: .safetensors, dtype: nil, options: WriteOptions(replacing: false))
    let adapter = try Adapter(path: path)
    try lora.expectEqual(adapter)
    #expect(adapter.names == lora.blocks.map(\.name))
    #expect(throws: FileError.exists(path: path)) {
      try lora.write(
        to: path, as: .safetensors, dtype: nil, options: WriteOptions(replacing: false))
    }
    try lora.write(to: path, as: .safetensors, dtype: .f64, options: WriteOptions(replacing: true))
    #expect(try Adapter(path: path).blocks.allSatisfy { $0.a.dtype == .f64 && $0.b.dtype == .f64 })
  }

  @Test("the metadata as written, to the byte")
  func golden() throws {
    let path = folder.file("out.safetensors")
    try TestLoRA([("l.0.q", 2, 4), ("l.1.q", 3, 0.1)])
      .write(to: path, as: .safetensors, dtype: nil, options: WriteOptions(replacing: false))
    let file = try SafetensorsFile(path: path)
    #expect(file.header.metadata.map(\.key) == ["reslora"])
    #expect(
      file.header.metadata.map(\.value) == [
        #"{"format":"reslora-adapter","version":1,"structure":"plain","root":"self","#
          + #""pre_num":-1,"blocks":[{"name":"l.0.q","scaling":4,"previous":null},"#
          + #"{"name":"l.1.q","scaling":0.1,"previous":null}]}"#
      ])
  }

  @Test(
    "another format or version",
    arguments: [
      ("format", nil, .missing(key: "format", expected: #""reslora-adapter""#)),
      (
        "format", #""reslora""#,
        .badValue(key: "format", found: #""reslora""#, expected: #""reslora-adapter""#)
      ),
      ("version", nil, .missing(key: "version", expected: "1")),
      ("version", "2", .unknownVersion(found: 2, known: 1)),
      ("version", "0", .unknownVersion(found: 0, known: 1)),
    ] as [(String, String?, ContentError.Reason)])
  func version(_ key: String, _ value: String?, _ reason: ContentError.Reason) throws {
    try expectRefused([key: value], reason)
  }

  @Test(
    "missing and wrong keys",
    arguments: [
      (
        "structure", nil,
        ContentError.Reason.missing(
          key: "structure", expected: #""plain", "is", "bs" or "ms""#)
      ),
      (
        "structure", #""xs""#,
        .badValue(key: "structure", found: #""xs""#, expected: #""plain", "is", "bs", "ms""#)
      ),
      ("root", #""x""#, .badValue(key: "root", found: #""x""#, expected: #""self", "none""#)),
      (
        "pre_num", "-2",
        .badValue(
          key: "pre_num", found: "-2", expected: "a whole number from -1 on")
      ),
      ("blocks", nil, .missing(key: "blocks", expected: "an array of at least one block")),
      ("blocks", "{}", .missing(key: "blocks", expected: "an array of at least one block")),
      (
        "blocks", "[1]", .badValue(key: "blocks", found: "1", expected: "an array of objects")
      ),
      ("blocks", "[{}]", .missing(key: "name", expected: "a module's name")),
      (
        "blocks", #"[{"name": "a"}]"#,
        .missing(key: "scaling", expected: "a number")
      ),
      (
        "blocks", #"[{"name": "a", "scaling": 1e400}]"#,
        .badValue(key: "scaling", found: "inf", expected: "a finite number")
      ),
      (
        "blocks", #"[{"name": "a", "scaling": 1, "previous": 0}]"#,
        .badValue(key: "previous", found: "0", expected: "a string")
      ),
      (
        "blocks", #"[{"name": "a", "scaling": 1, "windows": {"input": [-1]}}]"#,
        .badNorm(window: "input", found: "-1.0")
      ),
      (
        "blocks", #"[{"name": "a", "scaling": 1, "windows": {"input": [1, 2], "capacity": 1}}]"#,
        .windowTooLong(window: "input", found: 2, capacity: 1)
      ),
    ])
  func damaged(_ key: String, _ value: String?, _ reason: ContentError.Reason) throws {
    try expectRefused([key: value], reason)
  }

  @Test(
    "metadata that are no JSON object",
    arguments: [
      ("", ContentError.Reason.json(JSONError(reason: .unexpectedEnd, offset: 0))),
      ("[]", .notAnObject),
      ("reslora", .json(JSONError(reason: .unexpected(expected: "a value"), offset: 0))),
      (
        #"{"format": 1, "format": 1}"#,
        .json(JSONError(reason: .duplicateKey("format"), offset: 25))
      ),
    ])
  func notJSON(_ text: String, _ reason: ContentError.Reason) throws {
    let path = try folder.write(
      tensors: ResLoRALayoutTests.tensors, metadata: [("reslora", text)], to: "a.safetensors")
    let error = #expect(throws: ContentError.self) { try Adapter(path: path) }
    #expect(error?.reason == reason)
  }

  @Test("a tensor that no block has")
  func unexpected() throws {
    let path = try write(
      tensors: ResLoRALayoutTests.tensors + [TestTensor("c.lora_A", [2, 4]), TestTensor("a", [1])])
    let error = #expect(throws: ContentError.self) { try Adapter(path: path) }
    #expect(error?.reason == .unexpectedTensors(["a", "c.lora_A"]))
  }

  @Test("a block without its tensors", arguments: 0..<4)
  func missingTensor(_ position: Int) throws {
    var tensors = ResLoRALayoutTests.tensors
    let missing = tensors.remove(at: position)
    let path = try write(tensors: tensors)
    let error = #expect(throws: ContentError.self) { try Adapter(path: path) }
    #expect(error?.reason == .missingTensor(missing.name))
    #expect(error?.owner == (position < 2 ? "block 'a'" : "block 'b'"))
    #expect(error?.rule == "Adapter in safetensors §1")
  }

  @Test("a block twice, none at all, an unknown predecessor, a cycle")
  func blocks() throws {
    let a = #"{"name": "a", "scaling": 1, "previous": null}"#
    func b(_ previous: String) -> String {
      #"{"name": "b", "scaling": 1, "previous": "\#(previous)"}"#
    }
    try expectRefused(["blocks": "[\(a), \(a), \(b("a"))]"], .duplicateBlock)
    try expectRefused(["blocks": "[\(a), \(b("c"))]"], .unknownPredecessor("c"))
    try expectRefused(
      ["blocks": "[]"], .missing(key: "blocks", expected: "an array of at least one block"))
    let path = try write(["blocks": "[\(a), \(b("b"))]"])
    #expect(throws: AdapterError.inAdapter(source: path, .cycle(block: "b"))) {
      try Adapter(path: path)
    }
  }
}
