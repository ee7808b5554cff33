import Adapters
import ByteIO
import Contents
import HDF5
import ResLoRAContainer
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// What `validate` lists, for every kind of content.
@Suite(.timeLimit(.minutes(10))) struct ValidationTests {
  private let folder = TemporaryFolder()

  /// Each violation as `severity rule: message`, the path left out.
  private func lines(_ path: String, threads: Int = 1) throws -> [String] {
    try Validation(path: path, threads: threads).violations.map {
      "\($0.severity) \($0.rule ?? "-"): \($0.message.replacing("\(path): ", with: ""))"
    }
  }

  private func expectValid(
    _ path: String, _ format: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let validation = try Validation(path: path, threads: 2)
    #expect(validation.path == path, sourceLocation: sourceLocation)
    #expect(validation.format == format, sourceLocation: sourceLocation)
    #expect(validation.isValid, sourceLocation: sourceLocation)
    #expect(validation.violations == [], sourceLocation: sourceLocation)
  }

  private static let description = #"""
    {"format": "reslora-adapter", "version": 1, "structure": "is", "blocks": [
      {"name": "a", "scaling": 2}, {"name": "b", "scaling": 0.5, "previous": "a"}]}
    """#

  private static let tensors = ["a", "b"].flatMap { name in
    [
      TestTensor(TensorName("\(name).lora_A"), [2, 4]),
      TestTensor(TensorName("\(name).lora_B"), [4, 2]),
    ]
  }

  private func adapter(
    _ description: String = description, tensors: [TestTensor] = tensors,
    metadata: [(key: String, value: String)] = []
  ) throws -> String {
    try folder.write(
      tensors: tensors, metadata: [("reslora", description)] + metadata, to: "adapter")
  }

  // MARK: What is valid

  @Test("adapters in every format")
  func adapters() throws {
    let path = try adapter()
    try expectValid(path, "ResLoRA safetensors")
    for (format, name) in [
      (AdapterOutputFormat.reslora, "ResLoRA container"), (.hdf5, "ResLoRA HDF5"),
    ] {
      let other = folder.file("adapter.\(format.identifier)")
      try Adapter(path: path).write(to: other, as: format)
      try expectValid(other, name)
    }
    let peft = try PEFTTestFolder(TestTensor.peft("q"))
    try expectValid(peft.path, "PEFT folder")
    let published = try PublishedFolder(modules: ["q_proj"], keepingOrder: true)
    try expectValid(published.path, "published ResLoRA checkpoint")
    try expectValid(
      published.folder.file("pytorch_model_lora.bin"), "published ResLoRA checkpoint")
  }

  @Test("checkpoints, activations, norm windows")
  func others() throws {
    let plain = [TestTensor("x", [2]), TestTensor("y", [1])]
    try expectValid(try folder.write(tensors: plain, to: "plain"), "safetensors")
    try expectValid(
      try folder.write(TorchArchive.bytes(plain), to: "torch"), "torch checkpoint")
    try expectValid(
      try folder.write(
        tensors: [TestTensor("x", [2, 3])], metadata: [("inputs", #"{"q": "x"}"#)],
        to: "activations"), "activations in safetensors")
    let windows = try folder.write(text: #"{"q": {"input": [1]}}"#, to: "windows")
    try expectValid(windows, "norm windows in JSON")
    try WindowsFile(path: windows).writeHDF5(to: folder.file("w.h5"), replacing: false)
    try expectValid(folder.file("w.h5"), "norm windows in HDF5")
  }

  // MARK: What is broken

  @Test("every broken rule of an adapter is listed, with its section")
  func brokenAdapter() throws {
    let path = try adapter(
      #"""
      {"format": "reslora-adapter", "version": 1, "structure": "is", "root": 3, "color": 1,
       "blocks": [
        {"name": "a", "scaling": 2, "windows": {"input": [-1]}},
        {"name": "b", "scaling": "x", "previous": "c"}]}
      """#, tensors: Array(Self.tensors.dropLast()) + [TestTensor("c.lora_A", [1])],
      metadata: [("", "x")])
    let validation = try Validation(path: path)
    #expect(!validation.isValid)
    #expect(validation.format == "ResLoRA safetensors")
    #expect(
      try lines(path) == [
        "warning Adapter §2.1: unknown key 'color', which is ignored [Adapter §2.1]",
        "error Adapter §1.5: block 'a': bad norm in the input window (found -1.0, expected a finite "
          + "number from 0 on) [Adapter §1.5]",
        "error Adapter §2.2: block 'b': bad 'scaling' (found \"x\", expected a finite number) "
          + "[Adapter §2.2]",
        "error Adapter §2.1: bad 'root' (found 3, expected a string) [Adapter §2.1]",
        "error Adapter §1.7: bad metadata '' (expected a key that is not empty, no U+0000) "
          + "[Adapter §1.7]",
        "error Adapter §1.4: block 'b': predecessor is not in the adapter (found 'c') "
          + "[Adapter §1.4]",
        "error Adapter in safetensors §1: block 'b': tensor 'b.lora_B' is not in the file "
          + "[Adapter in safetensors §1]",
        "error Adapter in safetensors §1: 1 tensor belongs to no block: 'c.lora_A' "
          + "[Adapter in safetensors §1]",
      ])
  }

  @Test("factors and links of the wrong shape")
  func shapes() throws {
    var tensors = Self.tensors
    tensors[0] = TestTensor("a.lora_A", [2, 5])
    #expect(
      try lines(adapter(tensors: tensors)) == [
        "error Merging §3.2: block 'b': in features differ from those of its predecessor 'a' "
          + "(found 4, expected 5)"
      ])
    tensors[1] = TestTensor("a.lora_B", [4, 3])
    tensors[2] = TestTensor("b.lora_A", [2])
    let path = try adapter(tensors: tensors)
    #expect(
      try lines(path) == [
        "error Adapter §1.3: block 'a': A and B differ in rank (found 2 rows of A and 3 columns of "
          + "B, expected the same pair by pair)",
        "error Adapter §1.3: tensor 'b.lora_A': not a factor of a linear layer (found shape [2], "
          + "expected two dimensions, none of them 0)",
      ])
    let cycle = Self.description.replacing(
      #""name": "a", "scaling": 2"#, with: #""name": "a", "scaling": 2, "previous": "b""#)
    #expect(
      try lines(adapter(cycle)) == [
        "error Merging §3.2: block 'a': is its own predecessor along a cycle"
      ])
  }

  @Test(
    "elements that are not finite are a warning", arguments: ["safetensors", "hdf5", "reslora"])
  func nonFinite(_ identifier: String) throws {
    var tensors = Self.tensors
    tensors[1] = TestTensor(
      "a.lora_B", [4, 2], dtype: .f16, values: [.nan, 1, 2, .infinity, 3, 4, 5, 6])
    let path = folder.file("other")
    try Adapter(path: adapter(tensors: tensors)).write(
      to: path, as: try #require(AdapterOutputFormat(identifier: identifier)))
    let validation = try Validation(path: path)
    #expect(validation.isValid)

    #expect(
      validation.violations == [
        Violation(
          rule: "Adapter §1.3", severity: .warning,
          message: "\(path): tensor 'a.lora_B': 2 of 8 elements are not finite")
      ])
  }

  @Test("a damaged container: the tensor at fault, with its section; the others are read")
  func damagedContainer() throws {
    let path = folder.file("x.reslora")
    try Adapter(path: adapter()).write(
      to: path, as: .reslora, options: WriteOptions(compression: .none))
    var bytes = try ReadableFile.contents(of: path, limit: 1 << 20)
    for chunk in try ContainerFile(path: path).chunks[1..<5] { bytes[chunk.offset + 3] ^= 1 }
    try folder.write(bytes, to: "x.reslora")
    let found = try Validation(path: path, threads: 2)
    #expect(found.format == "ResLoRA container")
    #expect(found.violations.map(\.rule) == [String](repeating: "Container §3", count: 4))
    for (number, name) in ["a.lora_A", "a.lora_B", "b.lora_A", "b.lora_B"].enumerated() {
      let begin = "\(path): chunk \(number + 1) (DATA): tensor '\(name)': damaged: wrong checksum"
      #expect(found.violations[number].message.hasPrefix(begin))
    }
    try folder.write(bytes.prefix(100), to: "x.reslora")
    let short = try Validation(path: path)
    #expect(!short.isValid)
    #expect(short.violations.map(\.rule) == ["Container §2"])
  }

  @Test("a damaged chunk of HDF5 is listed, and the others are read")
  func damagedHDF5() throws {
    let values = SeededGenerator.noise(3000)
    let tensors = [
      TestTensor("a.lora_A", [1, 3000], dtype: .f64, values: values),
      TestTensor("a.lora_B", [3000, 1], dtype: .f64, values: values),
    ]
    let description = #"""
      {"format": "reslora-adapter", "version": 1, "structure": "plain",
       "blocks": [{"name": "a", "scaling": 2}]}
      """#
    let path = folder.file("x.h5")
    try Adapter(path: adapter(description, tensors: tensors)).write(to: path, as: .hdf5)
    try expectValid(path, "ResLoRA HDF5")
    var bytes = try ReadableFile.contents(of: path, limit: 1 << 20)
    // Streams of deflate begin so at level 4; the damage is in the middle of the first.
    let begins = bytes.indices.dropLast().filter { bytes[$0] == 0x78 && bytes[$0 + 1] == 0x5e }
    let begin = try #require(begins.first)
    for index in (begin + 5000)..<(begin + 5100) { bytes[index] = 0xff }
    try folder.write(bytes, to: "x.h5")
    let found = try Validation(path: path)
    #expect(found.violations.count == 1)
    #expect(!found.isValid && found.format == "ResLoRA HDF5")
    #expect(
      found.violations.first?.message.hasPrefix(
        "\(path): dataset '/blocks/a/lora_A': chunk at [0, 0]")
        == true)
  }

  @Test("PEFT folders")
  func peft() throws {
    let odd = try PEFTTestFolder(TestTensor.peft("q") + [TestTensor("z", [1])])
    let validation = try Validation(path: odd.path)
    #expect(validation.format == "PEFT folder")
    #expect(
      validation.violations == [
        Violation(
          rule: nil,
          message: "\(odd.tensorPath): 1 tensor is no part of the adapter it describes: 'z'")
      ])
    let bad = try PEFTTestFolder(TestTensor.peft("q"), config: ["r": #""x""#])
    #expect(try Validation(path: bad.path).violations.count == 1)
    #expect(try Validation(path: bad.path).format == "PEFT folder")
    try bad.folder.write(text: "{", to: "adapter_config.json")
    #expect(
      try Validation(path: bad.path).violations == [
        Violation(
          rule: nil,
          message: "\(bad.configPath): not valid JSON: the text ends too early (at byte 1)")
      ])
  }

  @Test("published folders, and archives of torch")
  func published() throws {
    let bad = try PublishedFolder(modules: ["q_proj"], config: ["res_flag": "9"])
    let validation = try Validation(path: bad.path)
    #expect(validation.format == "published ResLoRA checkpoint")
    #expect(validation.violations.count == 1)
    #expect(validation.violations[0].message.hasPrefix("\(bad.configPath): "))
    var bytes = TorchArchive.bytes([TestTensor("x", [4])])
    bytes.removeLast(4)
    let path = try folder.write(bytes, to: "model.bin")
    let torch = try Validation(path: path)
    #expect(!torch.isValid && torch.format == nil)
    #expect(torch.violations.count == 1)
    #expect(torch.violations[0].message.hasPrefix("\(path): "))
  }

  @Test("checkpoints: their index and headers")
  func checkpoint() throws {
    try folder.write(tensors: [TestTensor("x", [2])], to: "a.safetensors")
    try folder.write(
      text: #"{"metadata": {"total_size": 9}, "weight_map": {"x": "a.safetensors"}}"#,
      to: "model.safetensors.index.json")
    let odd = try Validation(path: folder.path)
    #expect(odd.isValid && odd.format == "safetensors checkpoint")
    #expect(
      odd.violations == [
        Violation(
          rule: nil, severity: .warning,
          message: "\(folder.file("model.safetensors.index.json")): wrong total_size (found 9, "
            + "expected 8)")
      ])
    try folder.write(
      text: #"{"weight_map": {"x": "a.safetensors", "y": "a.safetensors"}}"#,
      to: "model.safetensors.index.json")
    let bad = try Validation(path: folder.path)
    #expect(!bad.isValid && bad.violations.count == 1)
    let file = try folder.write(tensors: [TestTensor("x", [2])], to: "file")
    try folder.write(try ReadableFile.contents(of: file, limit: 999).dropLast(), to: "file")
    let short = try Validation(path: file)
    #expect(!short.isValid && short.violations.map(\.rule) == [nil])
    #expect(short.violations[0].message.hasPrefix("\(file): "))
  }

  @Test("norm windows in JSON, the first fault of every block")
  func windows() throws {
    let several = try folder.write(
      text:
        #"{"q": {"input": [-1, "x"]}, "k": {"input": [1]}, "v": [], "": {}, "w": {"norms": [1]}}"#,
      to: "several.json")
    #expect(
      try lines(several) == [
        "error Merging §3.5: block 'q': bad norm in the input window (found -1, expected a finite "
          + "number from 0 on)",
        "error Merging §3.5: bad 'v' (found something else, expected an object of windows)",
        "error Adapter §1.2: block: bad name '' (expected 1 to 4096 bytes without U+0000) "
          + "[Adapter §1.2]",
        "error Merging §3.5: unknown key 'w.norms'",
      ])
    let path = try folder.write(text: #"{"q": {"input": [-1]}}"#, to: "w.json")
    #expect(
      try lines(path) == [
        "error Merging §3.5: block 'q': bad norm in the input window (found -1, expected a finite "
          + "number from 0 on)"
      ])
    let found = try Validation(path: path)
    #expect(!found.isValid && found.format == "norm windows in JSON")
    let other = try folder.write(text: #"{"q": {"output": [1]}}"#, to: "w.json")
    #expect(try lines(other) == ["error Merging §3.5: unknown key 'q.output'"])
  }

  @Test("activations: their rules, and elements that are not finite")
  func activations() throws {
    func write(_ tensors: [TestTensor], _ map: String) throws -> String {
      try folder.write(tensors: tensors, metadata: [("inputs", map)], to: "activations")
    }
    let path = try write(
      [TestTensor("x", [2, 3], values: [1, .nan, 3, 4, 5, .infinity])], #"{"q": "x"}"#)
    #expect(
      try lines(path) == [
        "warning Activations §1: tensor 'x': 2 of 6 elements are not finite"
      ])
    #expect(
      try lines(write([TestTensor("x", [2]), TestTensor("y", [2, 1])], #"{"q": "z"}"#)) == [
        "error Activations §1: tensor 'x': not a matrix (found shape [2], expected [tokens, "
          + "features], features not 0) [Activations §1]",
        "error Activations §1: block 'q': its input is not in the file (found 'z') "
          + "[Activations §1]",
        "error Activations §1: 2 matrices are no block's input: 'x', 'y' [Activations §1]",
      ])
    // A map that can't be read leaves it a file of activations.
    #expect(try Validation(path: write([], "[")).format == "activations in safetensors")
  }

  // MARK: What is nothing

  @Test("a path that is not there is an error of the caller")
  func absent() throws {
    let error = #expect(throws: SystemError.self) { try Validation(path: folder.file("gone")) }
    #expect(error?.failureKind == .badData)
  }

  @Test("what is recognised as nothing has no format")
  func unknown() throws {
    let text = try folder.write(text: "once upon a time there was a file", to: "x")
    let found = try Validation(path: text)
    #expect(found.format == nil && !found.isValid)
    #expect(
      try lines(text) == [
        "error -: of no format known here, or its beginning is damaged (expected safetensors, "
          + ".reslora, HDF5, a checkpoint of torch.save, or JSON)"
      ])
    let sketch = HDF5Sketch(["/@format": .attribute(.string("other"))])
    #expect(
      try lines(sketch.write(to: folder.file("y"))) == [
        "error -: no adapter (found content of another kind, expected a PEFT folder, a published "
          + "ResLoRA checkpoint, or a .reslora, HDF5 or safetensors file of ours)"
      ])
    #expect(try Validation(path: folder.folder("empty")).isValid == false)
  }

  @Test("an error of the progress stops the work")
  func stopped() throws {
    struct Stop: Error {}
    let path = try adapter()
    #expect(throws: Stop.self) { try Validation(path: path) { throw Stop() } }
  }

  @Test("more than a thousand of a kind are not listed, and that is said")
  func many() throws {
    let blocks = (0..<1500).map { "{\"name\": \"\($0)\", \"scaling\": 1}" }
    let description =
      #"{"format": "reslora-adapter", "version": 1, "structure": "plain", "blocks": ["#
      + blocks.joined(separator: ",") + "]}"
    let found = try Validation(path: adapter(description, tensors: []))
    #expect(found.violations.count == 1001)
    #expect(
      found.violations.last
        == Violation(
          rule: nil, severity: .warning,
          message: "more than 1000 of a kind; the rest is not listed"))
  }
}

extension SeededGenerator {
  fileprivate static func noise(_ count: Int) -> [Double] {
    var generator = SeededGenerator(seed: 9)
    return generator.values(count)
  }
}
