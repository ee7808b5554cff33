import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// The tensors of PEFT folders.
@Suite struct PEFTFolderTests {
  @Test("blocks by module, numbers by value, the prefix taken off")
  func blocks() throws {
    let tensors = ["l.10.q", "l.2.q", "l.2.k"].flatMap { TestTensor.peft($0, in: 5, out: 3) }
    let adapter = try PEFTTestFolder(tensors).open()
    #expect(adapter.names == ["l.2.k", "l.2.q", "l.10.q"])
    for block in adapter.blocks {
      #expect((block.inFeatures, block.outFeatures, block.rank) == (5, 3, 2))
      #expect(try block.a.load().values == (1...10).map(Double.init))
      #expect(try block.b.load().values == (1...6).map(Double.init))
    }
    #expect(adapter.links == ["l.2.k<-", "l.2.q<-", "l.10.q<-"])
    #expect(adapter.notes.isEmpty)
  }

  @Test("keys without PEFT's prefix")
  func noPrefix() throws {
    let adapter = try PEFTTestFolder([
      TestTensor("l.q.lora_A.weight", [2, 4]), TestTensor("l.q.lora_B.weight", [4, 2]),
    ]).open()
    #expect(adapter.names == ["l.q"])
  }

  @Test("one module with the prefix and without it")
  func twice() throws {
    let tensors =
      TestTensor.peft("l.q") + [
        TestTensor("l.q.lora_A.weight", [2, 4]), TestTensor("l.q.lora_B.weight", [4, 2]),
      ]
    let folder = try PEFTTestFolder(tensors)
    let error = #expect(throws: AdapterError.self) { try folder.open() }
    #expect(error == .inAdapter(source: folder.path, .duplicateBlock("l.q")))
    #expect(error?.description == "\(folder.path): block 'l.q': stands twice in the adapter")
  }

  @Test("A without B and B without A", arguments: [0, 1])
  func half(_ position: Int) throws {
    let folder = try PEFTTestFolder(TestTensor.peft("a") + [TestTensor.peft("b")[position]])
    #expect(
      throws: AdapterError.incompletePair(source: folder.tensorPath, block: "b", pair: 0)
    ) { try folder.open() }
  }

  @Test("tensors that belong to nothing are listed")
  func unexpected() throws {
    let others: [TensorName] = [
      "base_model.model.score.weight", "base_model.model.q.lora_A.default.weight",
      "base_model.model.q.lora_B.bias", "base_model.model.q.lora_magnitude_vector",
    ]
    let folder = try PEFTTestFolder(TestTensor.peft("q") + others.map { TestTensor($0, [2]) })
    let error = #expect(throws: SidecarError.self) { try folder.open() }
    #expect(error?.reason == .unexpectedTensors(others.sorted()))
    #expect(
      error?.description == "\(folder.tensorPath): 4 tensors are no part of the adapter it "
        + "describes: \(others.sorted().map { "'\($0)'" }.joined(separator: ", "))")
  }

  @Test("of many unexpected tensors twenty are listed, of one it says so")
  func manyUnexpected() throws {
    let many = (0..<21).map { TestTensor(TensorName("t\($0 + 10)"), [1]) }
    let folder = try PEFTTestFolder(TestTensor.peft("q") + many)
    let error = #expect(throws: SidecarError.self) { try folder.open() }
    let listed = (10..<30).map { "'t\($0)'" }.joined(separator: ", ")
    #expect(
      error?.description == "\(folder.tensorPath): 21 tensors are no part of the adapter it "
        + "describes: \(listed) and 1 more")
    let one = try PEFTTestFolder(TestTensor.peft("q") + [many[0]])
    let single = #expect(throws: SidecarError.self) { try one.open() }
    #expect(
      single?.description == "\(one.tensorPath): 1 tensor is no part of the adapter it describes: "
        + "'t10'")
  }

  @Test("no tensors beside the config")
  func noTensors() throws {
    let folder = TemporaryFolder()
    try folder.write(text: PEFTTestFolder.config.text, to: "adapter_config.json")
    let error = #expect(throws: AdapterError.self) { try Adapter(path: folder.path) }
    #expect(
      error
        == .unstated(
          source: folder.path, what: "adapter's tensors",
          advice: "expected adapter_model.safetensors beside the config"))
    #expect(
      error?.description == "\(folder.path): says nothing of the adapter's tensors; "
        + "expected adapter_model.safetensors beside the config")
  }

  @Test("a file without a tensor")
  func emptyFile() throws {
    let folder = try PEFTTestFolder([])
    #expect(throws: AdapterError.noBlocks(source: folder.path)) { try folder.open() }
  }

  @Test("adapter_model.bin is read where there is no safetensors file")
  func torchFile() throws {
    let folder = TemporaryFolder()
    try folder.write(text: PEFTTestFolder.config.text, to: "adapter_config.json")
    try folder.write(TorchArchive.bytes(TestTensor.peft("q", in: 3)), to: "adapter_model.bin")
    let adapter = try Adapter(path: folder.path)
    #expect(adapter.names == ["q"])
    #expect(adapter.files == [folder.file("adapter_model.bin")])
    #expect(try adapter.blocks[0].a.load().values == [1, 2, 3, 4, 5, 6])
    try folder.write(tensors: TestTensor.peft("other"), to: "adapter_model.safetensors")
    #expect(try Adapter(path: folder.path).names == ["other"])
  }

  @Test("a broken tensor file is reported as what it is")
  func brokenFile() throws {
    let folder = try PEFTTestFolder([])
    try folder.folder.write([1, 2, 3], to: "adapter_model.safetensors")
    let error = #expect(throws: (any Error).self) { try folder.open() }
    #expect(
      error.map { "\($0)" } == "\(folder.tensorPath): too short for a safetensors file "
        + "(found 3 bytes, expected at least 8)")
  }

  @Test("the tensor file alone says neither rank nor alpha")
  func fileAlone() throws {
    let folder = try PEFTTestFolder(TestTensor.peft("q"))
    let error = #expect(throws: AdapterError.self) { try Adapter(path: folder.tensorPath) }
    #expect(
      error
        == .unstated(
          source: folder.tensorPath, what: "rank and alpha",
          advice: "name the folder that holds it and its adapter_config.json"))
  }

  @Test("a config that is a folder")
  func configFolder() throws {
    let folder = TemporaryFolder()
    let path = folder.folder("adapter_config.json")
    #expect(throws: FileError.notARegularFile(path: path)) { try Adapter(path: folder.path) }
  }
}
