import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// The adapters of `Fixtures/`, as the independent generator says they are.
@Suite struct FixtureTests {
  private func open(_ fixture: FixtureCase, path: String? = nil) throws -> Adapter {
    var overrides = AdapterOverrides()
    if fixture.folder == "synthetic/is-root-none" { overrides.root = .nothing }
    if let windows = fixture.windowsPath { overrides.windows = try WindowsFile(path: windows) }
    return try Adapter(path: path ?? fixture.adapterPath, overrides: overrides)
  }

  private func check(_ adapter: Adapter, _ fixture: FixtureCase) throws {
    let expected = try fixture.expected()
    #expect(adapter.structure.rawValue == expected["structure"]?.string)
    #expect(adapter.topology.root.rawValue == expected["root"]?.string)
    #expect(adapter.topology.reach.rawValue == expected.integer("pre_num"))
    let blocks = try #require(expected["blocks"]?.object)
    #expect(Set(adapter.names) == Set(blocks.members.map { TensorName($0.key) }))
    for (index, block) in adapter.blocks.enumerated() {
      let figures = try #require(blocks[block.name.string]?.object)
      #expect(block.rank == figures.integer("rank"))
      #expect(block.inFeatures == figures.integer("in"))
      #expect(block.outFeatures == figures.integer("out"))
      #expect(block.scaling == figures.double("scaling"))
      let previous = adapter.topology.previous[index].map { adapter.blocks[$0].name.string }
      #expect(previous == figures["previous"]?.string, "\(block.name)")
      for (factor, key) in [(block.a, "norm_a"), (block.b, "norm_b")] {
        let norm = try #require(figures.double(key))
        #expect(agree(try factor.load().frobeniusNorm, norm, to: 1e-12), "\(block.name) \(key)")
      }
    }
  }

  @Test("every block, link and norm", arguments: FixtureCase.all)
  func adapter(_ fixture: FixtureCase) throws {
    let adapter = try open(fixture)
    try check(adapter, fixture)
    #expect(adapter.label == fixture.adapterPath)
    let isOwn = adapter.format == "ResLoRA safetensors"
    #expect(isOwn == ["synthetic/bs-ranks", "synthetic/is-tree"].contains(fixture.folder))
    #expect(isOwn || adapter.format == "published ResLoRA checkpoint")
    // A topology that was concluded says so; a stored one does not.
    let isInferred = adapter.notes.contains { $0.hasPrefix("topology inferred from names") }
    #expect(isInferred == (!isOwn && adapter.structure != .plain))
  }

  @Test(
    "a file of a folder is the same adapter as the folder",
    arguments: [
      ("whole-model", "adapter/model.safetensors"), ("is-basic", "adapter/pytorch_model_lora.bin"),
    ])
  func file(_ name: String, _ file: String) throws {
    let fixture = FixtureCase("synthetic/\(name)")
    let path = fixture.path(file)
    let adapter = try open(fixture, path: path)
    try check(adapter, fixture)
    #expect(adapter.label == path)
    #expect(adapter.names == (try open(fixture)).names)
  }

  @Test("a whole model says how many tensors are no part of the adapter")
  func wholeModel() throws {
    let adapter = try open(FixtureCase("synthetic/whole-model"))
    let base = try BaseCheckpoint(path: FixtureCase("synthetic/whole-model").basePath)
    let others = base.source.tensors.count
    #expect(
      adapter.notes.contains("\(others) other tensors in the file are no part of the adapter"))
  }

  @Test("windows are those of the file, oldest first", arguments: FixtureCase.all)
  func windows(_ fixture: FixtureCase) throws {
    let adapter = try open(fixture)
    guard let path = fixture.windowsPath else {
      #expect(adapter.hasWindows == (fixture.folder == "synthetic/is-tree"))
      return
    }
    let file = try #require(try TestFiles.json(path).object)
    for block in adapter.blocks {
      let stored = file[block.name.string]?.object
      #expect(block.windows.input.values == stored?.doubles("input") ?? [])
      #expect(block.windows.projection.values == stored?.doubles("projection") ?? [])
    }
    #expect(adapter.hasWindows == !file.members.isEmpty)
  }

  @Test("windows inside the project's own layout")
  func storedWindows() throws {
    let adapter = try open(FixtureCase("synthetic/is-tree"))
    let trunk = try #require(adapter.blocks.first { $0.name == "tree.trunk" })
    #expect(trunk.windows.input.values.count == 7)
    #expect(trunk.windows.input.values.first == 6.715231026078864)
    #expect(trunk.windows.projection.values.last == 8.611317378679109)
  }

  @Test("layers listed as text sorts them are taken by number")
  func layerOrder() throws {
    let adapter = try open(FixtureCase("synthetic/is-layer-order"))
    let numbers = adapter.names.compactMap { name in
      name.string.split(separator: ".").lazy.compactMap { Int($0) }.first
    }
    #expect(numbers == numbers.sorted())
    #expect(Set(numbers) == Set(0..<12))
    for chain in adapter.topology.chains { #expect(chain.map { numbers[$0] } == Array(0..<12)) }
  }

  @Test("figures of a whole adapter")
  func figures() throws {
    let adapter = try open(FixtureCase("minilm/is"))
    #expect(adapter.parameterCount == 12 * 4 * (384 + 384))
    #expect(adapter.byteCount == adapter.parameterCount * 4)
    #expect(adapter.files == [FixtureCase("minilm/is").path("pytorch_model_lora.bin")])
    #expect(
      adapter.notes.contains {
        $0 == "topology inferred from names (the source stores none): 2 chains of 6, 6 blocks, "
          + "root self; --topology-file FILE overrides it"
      })
  }
}
