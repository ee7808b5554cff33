import Activations
import Adapters
import ByteIO
import Contents
import Safetensors
import LoRATestSupport
import Tensors
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What lies at a path, whatever its name.
@Suite(.timeLimit(.minutes(10))) struct PathContentTests {
  private let folder = TemporaryFolder()
  private let plain = [TestTensor("x.weight", [2]), TestTensor("y.weight", [1])]

  private func checkpoint(_ path: String) throws -> PathContent.Checkpoint {
    guard case .checkpoint(let checkpoint) = try PathContent(path: path) else {
      throw AdapterError.notAnAdapter(source: path, found: "an adapter, unexpectedly")
    }
    return checkpoint
  }

  private func format(_ path: String) throws -> String {
    switch try PathContent(path: path) {
    case .adapter(let adapter): adapter.format
    case .updates(let updates): "\(updates.format) for a fold"
    case .checkpoint(let checkpoint): checkpoint.format
    case .activations(let file): file.format
    case .windows(let file): file.format
    }
  }

  /// A folder of two shards, its index, and whatever else is added.
  private func shards(totalSize: Int = 12) throws {
    try folder.write(tensors: [plain[0]], metadata: [("format", "pt")], to: "a.safetensors")
    try folder.write(tensors: [plain[1]], to: "b.safetensors")
    try folder.write(
      text: #"{"metadata": {"total_size": \#(totalSize)}, "weight_map": {"#
        + #""x.weight": "a.safetensors", "y.weight": "b.safetensors"}}"#,
      to: "model.safetensors.index.json")
  }

  @Test("adapters of every format, folders and files, by content")
  func adapters() throws {
    let peft = try PEFTTestFolder(TestTensor.peft("q"))
    #expect(try format(peft.path) == "PEFT folder")
    #expect(try format(TestFiles.fixture("peft/dora/adapter")) == "PEFT folder for a fold")
    try folder.write(
      tensors: [
        TestTensor("lora_unet_q.lora_down.weight", [2, 3]),
        TestTensor("lora_unet_q.lora_up.weight", [3, 2]),
      ], to: "kohya.safetensors")
    #expect(try format(folder.file("kohya.safetensors")) == "kohya file")
    let published = try PublishedFolder(modules: ["q_proj"], keepingOrder: true)
    #expect(try format(published.path) == "published ResLoRA checkpoint")
    #expect(
      try format(published.folder.file("pytorch_model_lora.bin")) == "published ResLoRA checkpoint")
    let whole = try PublishedFolder(modules: ["q_proj"])
    #expect(try format(whole.folder.file("model.safetensors")) == "published ResLoRA checkpoint")
    // Under misleading names.
    try TestLoRA([("q", 2, 1)]).write(
      to: folder.file("model.bin"), as: .safetensors, dtype: nil,
      options: WriteOptions(replacing: false))
    #expect(try format(folder.file("model.bin")) == "ResLoRA safetensors")
    try whole.folder.write(
      TorchArchive.bytes(TestTensor.published("q_proj")), to: "really.safetensors")
    #expect(try format(whole.folder.file("really.safetensors")) == "published ResLoRA checkpoint")
  }

  @Test("overrides reach the adapter")
  func overrides() throws {
    let published = try PublishedFolder(modules: ["q_proj"])
    let content = try PathContent(path: published.path, overrides: AdapterOverrides(root: .nothing))
    guard case .adapter(let adapter) = content else {
      Issue.record("no adapter")
      return
    }
    #expect(adapter.topology.root == .nothing)
  }

  @Test("one safetensors file")
  func singleFile() throws {
    let path = try folder.write(
      tensors: plain, metadata: [("format", "pt")], to: "checkpoint.safetensors")
    let content = try checkpoint(path)
    #expect(content.format == "safetensors")
    #expect(content.source.tensors.map(\.name) == ["x.weight", "y.weight"])
    #expect(content.files == ["checkpoint.safetensors", "checkpoint.safetensors"])
    #expect(content.shardCount == 1)
    #expect(content.metadata.map(\.value) == ["pt"])
    #expect(content.warnings.isEmpty)
    let error = #expect(throws: AdapterError.self) { try Adapter(path: path) }
    #expect(error == .notAnAdapter(source: path, found: "a checkpoint"))
    #expect(
      error?.description == "\(path): no adapter (found a checkpoint, expected a PEFT folder, a "
        + "published ResLoRA checkpoint, or a .reslora, HDF5 or safetensors file of ours)")
  }

  @Test("a folder of shards")
  func shardedFolder() throws {
    try shards(totalSize: 13)
    let content = try checkpoint(folder.path)
    #expect(content.format == "safetensors checkpoint")
    #expect(content.source.tensors.map(\.name) == ["x.weight", "y.weight"])
    #expect(content.files == ["a.safetensors", "b.safetensors"])
    #expect(content.shardCount == 2)
    #expect(content.metadata.map(\.value) == ["pt"])
    let warning =
      "\(folder.file("model.safetensors.index.json")): wrong total_size (found 13, expected 12)"
    #expect(
      content.warnings == [
        warning, "metadata of other shards: left out, it differs from that of the first",
      ])
    #expect(
      throws: AdapterError.notAnAdapter(
        source: folder.path,
        found: "a folder without adapter_config.json or reslora_config.json")
    ) { try Adapter(path: folder.path) }
    let base = try BaseCheckpoint(path: folder.path)
    #expect(base.source.tensors.count == 2)
    #expect(base.warnings == [warning])
    let shard = try BaseCheckpoint(path: folder.file("b.safetensors"))
    #expect(shard.source.tensors.map(\.name) == ["y.weight"])
    #expect(shard.warnings.isEmpty)
  }

  @Test("a torch archive that is no adapter")
  func torchFile() throws {
    let path = try folder.write(TorchArchive.bytes(plain), to: "pytorch_model.bin")
    let content = try checkpoint(path)
    #expect(content.format == "torch checkpoint")
    #expect(content.files == ["pytorch_model.bin", "pytorch_model.bin"])
    #expect(content.source.tensors.map(\.shape) == [[2], [1]])
    #expect(content.metadata.isEmpty)
  }

  @Test(
    "formats that are recognised only to be named",
    arguments: [
      ("PK\u{3}\u{4}and no more", "a zip archive that torch.save did not write"),
      ("GGUF\u{3}\0\0\0", "a GGUF file, which is not read"),
      (
        "version https://git-lfs.github.com/spec/v1\n",
        "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
      ),
    ])
  func otherFormats(_ content: String, _ found: String) throws {
    let path = try folder.write(
      content.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }, to: "model.safetensors")
    let error = #expect(throws: (any Error).self) { try PathContent(path: path) }
    #expect(error as? AdapterError == .notAnAdapter(source: path, found: found), "\(error as Any)")
  }

  @Test(
    "a file of no format is called that, unless its name says safetensors",
    arguments: [
      ("", "too short for a safetensors file (found 0 bytes, expected at least 8)"),
      (
        "once upon a time there was a file",
        "header too large (found 8030046917602012783 bytes, expected at most 100000000)"
      ),
    ])
  func noFormat(_ text: String, _ reason: String) throws {
    let path = try folder.write(text: text, to: "x")
    #expect(throws: AdapterError.unknownFormat(source: path)) { try PathContent(path: path) }
    let named = try folder.write(text: text, to: "x.safetensors")
    let error = #expect(throws: SafetensorsError.self) { try PathContent(path: named) }
    #expect(error?.description == "\(named): \(reason)")
  }

  @Test("what is no file")
  func noFile() throws {
    let gone = folder.file("gone")
    let error = #expect(throws: SystemError.self) { try PathContent(path: gone) }
    #expect(error?.failureKind == .badData)
    #expect(error?.description == "\(gone): can't open: No such file or directory")
    let pipe = folder.file("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    #expect(throws: FileError.notARegularFile(path: pipe)) { try PathContent(path: pipe) }
    #expect(throws: FileError.notARegularFile(path: pipe)) { try StoredTensors.open(path: pipe) }
    let empty = folder.folder("empty")
    let noCheckpoint = #expect(throws: ShardIndexError.self) { try PathContent(path: empty) }
    #expect(noCheckpoint?.reason == .noCheckpoint)
  }

  @Test("stored tensors: of files, adapters' folders and checkpoints' folders")
  func storedTensors() throws {
    func names(_ path: String) throws -> [TensorName] {
      try StoredTensors.open(path: path).tensors.map(\.name)
    }
    let peft = try PEFTTestFolder(TestTensor.peft("q"))
    let peftNames: [TensorName] = [
      "base_model.model.q.lora_A.weight", "base_model.model.q.lora_B.weight",
    ]
    #expect(try names(peft.path) == peftNames)
    #expect(try names(peft.tensorPath) == peftNames)
    let published = try PublishedFolder(modules: ["q_proj"], keepingOrder: true)
    let keys: [TensorName] = ["q_proj.loras.0.lora_A", "q_proj.loras.0.lora_B"]
    #expect(try names(published.path) == keys)
    let whole = try PublishedFolder(modules: ["q_proj"])
    #expect(try names(whole.path) == keys)
    try shards()
    #expect(try names(folder.path) == ["x.weight", "y.weight"])
  }

  @Test("stored tensors: a checkpoint's shards go before other files beside them")
  func shardsFirst() throws {
    let other = TorchArchive.bytes([TestTensor("other", [1])])
    try folder.write(other, to: "pytorch_model.bin")
    #expect(try StoredTensors.open(path: folder.path).tensors.map(\.name) == ["other"])
    try shards()
    try folder.write(tensors: [TestTensor("third", [1])], to: "model.safetensors")
    #expect(try StoredTensors.open(path: folder.path).tensors.count == 2)
    #expect(try checkpoint(folder.path).source.tensors.count == 2)
  }
}
