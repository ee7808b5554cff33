import ByteIO
import FoldJobs
import Folding
import Safetensors
import Tensors
import TestSupport
import Testing

/// What outputs say of their making (Folding §4.4).
@Suite struct ProvenanceTests {
  private func folds(_ path: String) throws -> [JSONObject]? {
    let base = try FoldBase(path: path)
    let texts = base.shards.map { shard in
      shard.header.metadata.first { $0.key == "resloratool.fold" }?.value
    }
    #expect(Set(texts).count == 1, "all shards say the same")
    return try texts[0].map { text in
      (try JSONValue(parsing: Array(text.utf8)).array ?? []).compactMap(\.object)
    }
  }

  @Test("a fold is named with its adapters, and the next one after it")
  func appended() throws {
    let made = try JobCase()
    let path = try made.adapter("first")
    try made.adapter("second", seed: 9)
    var request = made.request(adapter: "first")
    request.scale = 0.5
    try made.run(request)
    let one = try #require(try folds(request.output))
    #expect(one.count == 1)
    #expect(one[0]["tool"]?.string?.hasPrefix("resloratool ") == true)
    #expect(one[0]["rounding"]?.string == "nearest")
    let adapter = try #require(one[0]["adapters"]?.array?.first?.object)
    #expect(adapter["name"]?.string == "first")
    #expect(adapter["weight"]?.number?.double == 0.5)
    #expect(adapter["kinds"]?.array?.compactMap(\.string) == ["LoRA"])
    let digests = try #require(adapter["sha256"]?.array).compactMap(\.string)
    let file = try SHA256Hasher.digest(ofFile: "\(path)/adapter_model.safetensors").hexadecimal
    #expect(digests.contains(file))

    var again = made.request("again", adapter: "second")
    again.base = request.output
    again.dtype = .f32
    try made.run(again)
    let two = try #require(try folds(again.output))
    #expect(two.count == 2)
    #expect(two[0] == one[0])
    #expect(two[1]["adapters"]?.array?.first?.object?["name"]?.string == "second")
    #expect(two[1]["dtype"]?.string == "F32")
    // The other metadata stay.
    let metadata = try FoldBase(path: again.output).shards[1].header.metadata
    #expect(metadata.contains { $0.key == "shard" && $0.value == "1" })
  }

  @Test("it is left out where that is asked for, and an earlier one then stays")
  func omitted() throws {
    let made = try JobCase()
    try made.adapter()
    var request = made.request()
    request.recordsProvenance = false
    try made.run(request)
    #expect(try folds(request.output) == nil)
    try made.run(made.request("named"))
    request.base = made.folder.file("named")
    request.output = made.folder.file("again")
    try made.run(request)
    #expect(try folds(request.output)?.count == 1)
  }

  @Test("an entry of another kind under that key is replaced")
  func foreign() throws {
    let made = try JobCase(shards: 1)
    try made.adapter()
    let base = try FoldBase(path: made.base)
    let path = made.folder.file("odd.safetensors")
    try SafetensorsWriter.write(
      base.source, metadata: [("resloratool.fold", "by hand")], to: path, replacing: false)
    var request = made.request("out.safetensors")
    request.base = path
    try made.run(request)
    #expect(try folds(request.output)?.count == 1)
  }
}
