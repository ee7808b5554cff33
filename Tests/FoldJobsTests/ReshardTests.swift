import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Outputs that are cut into shards anew (`--max-shard-size`).
@Suite struct ReshardTests {
  private func fold(_ maximum: Int, base: String? = nil) throws -> (JobCase, [String]) {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.base = base.map { made.folder.file($0) } ?? made.base
    request.maximumShardBytes = maximum
    try made.run(request)
    return (made, try made.files("out").keys.filter { $0.hasSuffix(".safetensors") }.sorted())
  }

  @Test("no shard has more tensor bytes than asked for, unless one tensor has")
  func limit() throws {
    // A weight has 1,920 bytes.
    for maximum in [1, 1919, 1920, 4000, 9000] {
      let (made, names) = try fold(maximum)
      try made.expect(made.folder.file("out"), adds: made.deltas())
      var (found, isFull): ([TensorName], Bool) = ([], true)
      for (number, name) in names.enumerated() {
        let digits = { (value: Int) in String(String(100_000 + value).dropFirst()) }
        #expect(name == "model-\(digits(number + 1))-of-\(digits(names.count)).safetensors")
        let file = try SafetensorsFile(path: made.folder.file("out/\(name)"))
        let size = file.tensors.reduce(0) { $0 + $1.byteCount }
        #expect(size <= maximum || file.tensors.count == 1, "\(maximum): \(name)")
        #expect(file.header.metadata.contains { $0.key == "format" && $0.value == "pt" })
        found += file.tensors.map(\.name)
        isFull = isFull && !file.tensors.isEmpty
      }
      #expect(isFull)
      // In the base's order, shard by shard.
      let order = try FoldBase(path: made.base).source.tensors.map(\.name)
      #expect(found == order)
      let text = try #require(try made.files("out")["model.safetensors.index.json"])
      let index = try JSONValue(parsing: text)
      let size = try FoldBase(path: made.base).source.tensors.reduce(0) { $0 + $1.byteCount }
      #expect(index.object?["metadata"]?.object?.integer("total_size") == size)
      #expect(index.object?["weight_map"]?.object?.members.count == order.count)
    }
  }

  @Test("one shard is one file without an index, beside the other files")
  func oneShard() throws {
    let (made, names) = try fold(1_000_000)
    #expect(names == ["model.safetensors"])
    #expect(
      try made.files("out").keys.sorted()
        == ["config.json", "model.safetensors", "tokenizer.json"])
    try made.expect(made.folder.file("out"), adds: made.deltas())
  }

  @Test("a single file is cut into a folder")
  func singleFile() throws {
    let (made, _) = try fold(1_000_000)
    var request = made.request("again")
    request.base = made.folder.file("out/model.safetensors")
    request.maximumShardBytes = 8000
    request.adapters[0].weight = -1
    let result = try made.run(request)
    #expect(result.files.last?.hasSuffix("model.safetensors.index.json") == true)
    #expect(try made.files("again").count == result.files.count)
    #expect(try FoldBase(path: request.output).source.tensors.count == 24)
  }

  @Test("cuts go by the output's dtype")
  func dtype() throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.maximumShardBytes = 4 * 24 * 40
    request.dtype = .f32
    let layout = try FoldJob(request, on: JobCase.machine).layout
    #expect(
      layout.shards.allSatisfy { $0.layout.tensors.reduce(0) { $0 + $1.byteCount } <= 3840 })
    #expect(layout.indexName == "model.safetensors.index.json")
  }
}
