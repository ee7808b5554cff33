import LoRATestSupport
import Adapters
import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// What `convert --base` records, end to end: kept, used, left out, warned of.
@Suite struct RecordedBaseTests {
  @Test("--dtype rounds once; statistics go with a warning, or --base records new ones")
  func dtype() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "full.h5", "--base", "base.safetensors"], in: folder)
    let dropped = try succeed(
      ["convert", "full.h5", "o.reslora", "--dtype", "bf16", "--json"], in: folder)
    let warning =
      "statistics of the base weights of 10 blocks: left out, they hold for the factors and "
      + "links before; --base records new ones"
    #expect(try dropped.json()["warnings"]?.array?.map(\.string) == [warning])
    #expect(dropped.error == "warning: \(warning)\n")
    let narrow = try Adapter(path: folder.file("o.reslora"))
    #expect(narrow.blocks.allSatisfy { $0.a.dtype == .bf16 && $0.base?.statistics == nil })
    let kept = try succeed(
      [
        "convert", "full.h5", "p.reslora", "--dtype", "bf16", "--base", "base.safetensors",
        "--json",
      ], in: folder)
    #expect(try kept.json()["warnings"]?.array?.isEmpty == true)
    let recorded = try Adapter(path: folder.file("p.reslora"))
    #expect(recorded.blocks.allSatisfy { $0.base?.statistics != nil })
    // bfloat16 of a float32 by its bits: the upper half, rounded to nearest even.
    let full = try Adapter(path: folder.file("full.h5"))
    for (wide, short) in zip(full.blocks, narrow.blocks) {
      let expected = try wide.a.load().values.map { value -> Double in
        let bits = Float(value).bitPattern
        let rounded = (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000
        return Double(Float(bitPattern: rounded))
      }
      #expect(try short.a.load().values == expected)
    }
  }

  @Test("a merge by recorded statistics gives what one by the base gives")
  func recorded() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "o.reslora", "--base", "base.safetensors"], in: folder)
    let stored = try succeed(["merge", "o.reslora", "-o", "stored", "--json"], in: folder).json()
    let direct = try succeed(
      ["merge", "adapter", "--base", "base.safetensors", "-o", "direct", "--json"], in: folder
    ).json()
    #expect(stored["method"]?.string == "bw" && direct["method"]?.string == "bw")
    let (one, other) = (
      try #require(stored["blocks"]?.array), try #require(direct["blocks"]?.array)
    )
    #expect(one.count == 10 && other.count == 10)
    for (left, right) in zip(one, other) {
      let (found, expected) = (left.object?.doubles("alpha"), right.object?.doubles("alpha"))
      for (found, expected) in zip(try #require(found), try #require(expected)) {
        #expect(agree(found, expected, to: 1e-12))
      }
    }
  }

  @Test("another base than the one recorded is warned of")
  func otherBase() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "a.reslora", "--base", "base.safetensors"], in: folder)
    let base = try SafetensorsFile(path: folder.file("base.safetensors"))
    let changed = base.tensors.indices.map { index -> Result<(TensorInfo, [UInt8]), any Error> in
      Result {
        var bytes = try base.bytes(of: index)
        if base.tensors[index].name == "model.layers.3.self_attn.q_proj.weight" { bytes[0] ^= 1 }
        return (base.tensors[index], bytes)
      }
    }
    try SafetensorsWriter.write(
      MemoryTensorSource(label: "other", tensors: try changed.map { try $0.get() }), metadata: [],
      to: folder.file("other.safetensors"), replacing: false)
    let warning =
      "warning: 1 base weights are not those whose SHA-256 the adapter carries; is this the right "
      + "base? Blocks: 'model.layers.3.self_attn.q_proj'\n"
    for arguments in [
      ["merge", "a.reslora", "-o", "m", "--base"], ["fold", "a.reslora", "-o", "f", "--into"],
      ["convert", "a.reslora", "c.reslora", "--base"],
    ] {
      let same = try succeed(arguments + ["base.safetensors"], in: folder)
      #expect(same.error.isEmpty)
      let other = try succeed(arguments + ["other.safetensors", "--force"], in: folder)
      #expect(other.error == warning, "\(arguments)")
    }
  }

  @Test("other links take the statistics that do not go with them")
  func otherLinks() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/ms-all"))
    try succeed(["convert", "adapter", "a.reslora", "--base", "base.safetensors"], in: folder)
    let names = try Adapter(path: folder.file("a.reslora")).blocks.map(\.name)
    let roots = names.map { "\"\($0)\": null" }.joined(separator: ",")
    try folder.write(text: "{\"previous\": {\(roots)}}", to: "roots.json")
    let outcome = try succeed(
      ["convert", "a.reslora", "b.reslora", "--topology", "roots.json"], in: folder)
    #expect(outcome.error.contains("left out, they hold for the factors and links before"))
    let blocks = try Adapter(path: folder.file("b.reslora")).blocks
    // Roots have no predecessors, before and after.
    #expect(blocks.contains { $0.base?.statistics != nil })
    #expect(blocks.contains { $0.base != nil && $0.base?.statistics == nil })
    #expect(try succeed(["validate", "b.reslora"], in: folder).error.isEmpty)
  }
}
