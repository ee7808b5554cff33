import ByteIO
import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// What an adapter in HDF5 says (Adapter in HDF5 §2).
@Suite struct HDF5ReadingTests {
  private let test = TestHDF5Adapter()

  @Test("everything that can be stated")
  func everything() throws {
    let adapter = try test.open()
    #expect(adapter.format == "ResLoRA HDF5")
    #expect(adapter.structure == .inputShortcut)
    #expect(adapter.topology.root == .nothing)
    #expect(adapter.topology.reach == PredecessorCount(3))
    #expect(adapter.provenance.baseModel == "org/model")
    #expect(adapter.provenance.metadata.map(\.key) == ["run"])
    #expect(adapter.provenance.metadata.map(\.value) == ["7"])
    // Module order is that of the positions, not of the names.
    #expect(adapter.links == ["z<-", "a<z"])
    #expect(adapter.blocks.map(\.scaling) == [0.1, 2])
    let (z, a) = (adapter.blocks[0], adapter.blocks[1])
    #expect(
      z.windows
        == NormWindows(input: NormWindow([3, 0.25]), projection: NormWindow([0]), capacity: 2))
    #expect(z.base == nil)
    #expect(z.a.pieces.map(\.info.dtype) == [.f16])
    #expect(try z.b.load() == Matrix(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6]))
    #expect(a.windows == NormWindows())
    #expect(
      a.base
        == BaseWeight(
          tensor: try TensorInfo(name: "a.weight", dtype: .bf16, shape: [5, 4]),
          sha256: TestHDF5Adapter.hash,
          statistics: BaseWeight.Statistics(squaredNorm: 6.5, cross: ["a": -1.5, "z": 2])))
    #expect(a.a.ranks == [1, 2])
    #expect(a.b.pieces.map(\.info.dtype) == [.f32, .f64])
    #expect(
      try a.a.load()
        == Matrix(rows: 3, columns: 4, values: [1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8]))
    #expect(try test.violations([:]) == [])
  }

  @Test("what has a default")
  func defaults() throws {
    let adapter = try test.open([
      "/@root": nil, "/@pre_num": nil, "/@base_model": nil, "/metadata": nil,
      "/blocks/a@previous": nil, "/blocks/z/windows@capacity": nil,
      "/blocks/a/base@squared_norm": nil, "/blocks/a/base/cross": nil,
    ])
    #expect(adapter.topology.root == .ownInput)
    #expect(adapter.topology.reach == .all)
    #expect(adapter.provenance.baseModel == nil)
    #expect(adapter.provenance.metadata.isEmpty)
    #expect(adapter.links == ["z<-", "a<-"])
    #expect(adapter.blocks[0].windows.capacity == 100)
    #expect(adapter.blocks[1].base != nil && adapter.blocks[1].base?.statistics == nil)
  }

  @Test("windows that hold nothing are none, whatever capacity they state (Adapter §1.5)")
  func emptyWindows() throws {
    let adapter = try test.open([
      "/blocks/z/windows/input": .doubles([]), "/blocks/z/windows/projection": nil,
    ])
    #expect(adapter.blocks[0].windows == NormWindows())
    #expect(adapter.blocks[0].windows.capacity == 100)
  }

  @Test("names of links are escaped, names in attributes are not (§1.4)")
  func names() throws {
    let names = ["l/0.q", "50%", ".", "..", "e\u{301}", "\u{e9}", "%2F", "a b\n"]
    let links = ["l%2F0.q", "50%25", "%2E", "%2E%2E", "e\u{301}", "\u{e9}", "%252F", "a b\n"]
    var sketch = TestHDF5Adapter.sketch.changed([
      "/blocks": nil, "/metadata/%2E": .text("dot"), "/metadata/%61%2f": .text("spelt"),
    ])
    for (index, link) in links.enumerated() {
      let path = "/blocks/\(link)"
      sketch = sketch.changed([
        "\(path)@index": .attribute(.integer(index)), "\(path)@scaling": .attribute(.double(1)),
        "\(path)/lora_A": .tensor(.dataset([1, 2])), "\(path)/lora_B": .tensor(.dataset([2, 1])),
      ])
      if index > 0 {
        sketch = sketch.changed(["\(path)@previous": .attribute(.string(names[index - 1]))])
      }
    }
    let adapter = try Adapter(path: sketch.write(to: test.folder.file("x")))
    #expect(adapter.names == names.map { TensorName($0) })
    #expect(adapter.topology.previous == [nil, 0, 1, 2, 3, 4, 5, 6])
    #expect(adapter.provenance.metadata.map(\.key) == [".", "a/", "run"])
    // And so they are written.
    let path = test.folder.file("y")
    try adapter.write(to: path, as: .hdf5)
    let root = try HDF5File(path: path, reading: .inProcess).root
    #expect(Set(try #require(try root.group("blocks")).links.map(\.name)) == Set(links))
    #expect(try root.group("metadata")?.links.map(\.name) == ["%2E", "a%2F", "run"])
    #expect(try Adapter(path: path).names == names.map { TensorName($0) })
  }

  @Test("an adapter is written as the page lays it out")
  func layout() throws {
    let path = test.folder.file("out")
    try test.open().write(to: path, as: .hdf5)
    let root = try HDF5File(path: path, reading: .inProcess).root
    func attributes(_ group: HDF5Group?) throws -> [String: HDF5Value] {
      Dictionary(uniqueKeysWithValues: try #require(group).attributes.map { ($0.name, $0.value) })
    }
    #expect(
      try attributes(root) == [
        "format": .string("reslora-adapter"), "version": .integer(1), "structure": .string("is"),
        "root": .string("none"), "pre_num": .integer(3), "base_model": .string("org/model"),
      ])
    #expect(root.links.map(\.name) == ["blocks", "metadata"])
    #expect(try root.group("metadata")?.dataset("run")?.text(limit: 9) == "7")
    let z = try #require(try root.group("blocks")?.group("z"))
    #expect(try attributes(z) == ["index": .integer(0), "scaling": .double(0.1)])
    #expect(z.links.map(\.name) == ["lora_A", "lora_B", "windows"])
    #expect(try z.dataset("lora_A")?.dtype == .f16)
    #expect(try attributes(z.group("windows")) == ["capacity": .integer(2)])
    #expect(try z.group("windows")?.dataset("input")?.doubles(limit: 9) == [3, 0.25])
    let a = try #require(try root.group("blocks")?.group("a"))
    #expect(
      try attributes(a) == [
        "index": .integer(1), "scaling": .double(2), "previous": .string("z"),
      ])
    #expect(a.links.map(\.name) == ["base", "lora_A.0", "lora_A.1", "lora_B.0", "lora_B.1"])
    #expect(try a.dataset("lora_B.1")?.shape == [5, 2])
    #expect(
      try attributes(a.group("base")) == [
        "tensor": .string("a.weight"), "dtype": .string("BF16"), "shape": .integers([5, 4]),
        "sha256": .string(TestHDF5Adapter.hash), "squared_norm": .double(6.5),
      ])
    #expect(
      try attributes(a.group("base")?.group("cross")) == ["a": .double(-1.5), "z": .double(2)])
  }

  @Test("a small adapter says nothing of what it lacks")
  func smallLayout() throws {
    let path = test.folder.file("out")
    try TestLoRA([("q", 2, 1)]).write(to: path, as: .hdf5)
    let root = try HDF5File(path: path, reading: .inProcess).root
    #expect(
      root.attributes.map(\.name) == ["format", "pre_num", "root", "structure", "version"])
    #expect(root.links.map(\.name) == ["blocks"])
    let block = try #require(try root.group("blocks")?.group("q"))
    #expect(block.attributes.map(\.name) == ["index", "scaling"])
    #expect(block.links.map(\.name) == ["lora_A", "lora_B"])
  }

  @Test("another file of ours is no adapter")
  func otherFormat() throws {
    let stated: [(HDF5Value?, String)] = [
      (nil, "that states no format"), (.string("reslora"), "of the format 'reslora'"),
      (.integer(1), "that states no format"),
    ]
    for (format, found) in stated {
      let changes: TestHDF5Adapter.Changes = ["/@format": format.map { .attribute($0) }]
      let path = try test.write(changes)
      #expect(
        throws: AdapterError.notAnAdapter(
          source: path, found: "an HDF5 file \(found)")
      ) { try Adapter(path: path) }
    }
  }
}
