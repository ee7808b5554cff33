import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// What an index may say; numbers are those of the project's list of bad inputs.
@Suite(.timeLimit(.minutes(10))) struct ShardIndexTests {
  @Test("shards are read as one set of tensors, in the order of their names")
  func readsShards() throws {
    let checkpoint = try TestShards.pair().open()
    #expect(checkpoint.tensors.map(\.name) == ["a", "b", "c", "d"])
    #expect(
      checkpoint.shards.map { Paths.name(of: $0.label) } == ["one.safetensors", "two.safetensors"])
    #expect(checkpoint.warnings.isEmpty)
    for (index, size) in [1, 2, 3, 4].enumerated() {
      #expect(try checkpoint.bytes(of: index) == [UInt8](repeating: UInt8(size), count: size))
    }
    #expect(checkpoint.index(of: "c") == 2)
    #expect(checkpoint.index(of: "e") == nil)
    #expect(checkpoint.shard(of: 2) === checkpoint.shards[1])
    let (file, offset) = checkpoint.location(of: 3)
    #expect(try file.bytes(at: offset, count: 4) == [4, 4, 4, 4])
    #expect(Paths.name(of: file.path) == "two.safetensors")
  }

  private func expectBadName(_ shard: String, shown: String? = nil) throws {
    let shards = try TestShards.pair()
    try shards.index(raw: [("a", "one.safetensors"), ("b", shard)])
    shards.expectRefused(
      .badShardName(tensor: "b", shard: shard),
      line: "tensor 'b': bad shard name (found '\(shown ?? shard)', "
        + "expected the name of a safetensors file in the same folder)")
  }

  @Test(
    "31: a shard name with a slash or dots",
    arguments: [
      "../x", "../one.safetensors", "sub/one.safetensors", "./one.safetensors", "one.safetensors/",
      "..", ".", "", "/",
    ])
  func relativePath(_ shard: String) throws { try expectBadName(shard) }

  @Test("31: a shard name with a NUL")
  func nul() throws {
    try expectBadName("one.safetensors\0/../x", shown: #"one.safetensors\u{0}/../x"#)
  }

  @Test("32: an absolute path", arguments: ["/etc/passwd", "/tmp/one.safetensors"])
  func absolutePath(_ shard: String) throws { try expectBadName(shard) }

  @Test("40: a shard that is the index itself")
  func indexItself() throws { try expectBadName("model.safetensors.index.json") }

  @Test("34: missing shards, all of them")
  func missingShards() throws {
    let shards = try TestShards.pair()
    try shards.index(["a": "one", "x": "zero", "y": "nine", "z": "zero"], totalSize: nil)
    shards.expectRefused(
      .missingShards(["nine.safetensors", "zero.safetensors"]),
      line: "missing shards: 'nine.safetensors', 'zero.safetensors'")
  }

  @Test("34: a link that leads nowhere is a missing shard")
  func danglingLink() throws {
    let shards = try TestShards.pair()
    try FileSystem.link(shards.folder.file("gone.safetensors"), to: "nowhere")
    try shards.index(["a": "gone"], totalSize: nil)
    shards.expectRefused(.missingShards(["gone.safetensors"]))
  }

  @Test("35: a mapped tensor that its shard lacks")
  func mappedAbsent() throws {
    let shards = try TestShards.pair()
    try shards.index(["a": "one", "b": "one", "c": "two", "d": "two", "e": "two"], totalSize: nil)
    shards.expectRefused(
      .missingTensor(tensor: "e", shard: "two.safetensors"),
      line: "tensor 'e' is not in its shard 'two.safetensors'")
  }

  @Test("35: names composed and decomposed are not each other")
  func canonicalEquivalents() throws {
    let shards = TestShards()
    try shards.shard("one.safetensors", ["\u{e9}": 1])
    try shards.index(["e\u{301}": "one"], totalSize: nil)
    shards.expectRefused(.unmappedTensor(tensor: "\u{e9}", shard: "one.safetensors"))
  }

  @Test("36: a tensor that the index does not map")
  func unmapped() throws {
    let shards = try TestShards.pair()
    try shards.index(["a": "one", "b": "one", "c": "two"], totalSize: nil)
    shards.expectRefused(
      .unmappedTensor(tensor: "d", shard: "two.safetensors"),
      line: "tensor 'd' of shard 'two.safetensors' is not mapped to it by the index")
  }

  @Test("37: a tensor in two shards")
  func twoShards() throws {
    let shards = try TestShards.pair()
    try shards.shard("two.safetensors", ["a": 1, "c": 3, "d": 4])
    shards.expectRefused(.unmappedTensor(tensor: "a", shard: "two.safetensors"))
  }

  @Test("37: one file under two shard names")
  func hardLinkedShards() throws {
    let shards = try TestShards.pair()
    try FileSystem.hardLink(
      shards.folder.file("twin.safetensors"), to: shards.folder.file("one.safetensors"))
    try shards.index(["a": "one", "b": "twin"], totalSize: nil)
    shards.expectRefused(.unmappedTensor(tensor: "b", shard: "one.safetensors"))
  }

  @Test(
    "38: a wrong total_size is a warning",
    arguments: ["11", "0", "-10", "10.5", #""10""#, "null", "1e999"])
  func totalSize(_ size: String) throws {
    let shards = try TestShards.pair()
    try shards.index(["a": "one", "b": "one", "c": "two", "d": "two"], totalSize: size)
    let checkpoint = try shards.open()
    #expect(
      checkpoint.warnings == ["\(shards.indexPath): wrong total_size (found \(size), expected 10)"])
    #expect(checkpoint.tensors.count == 4)
  }

  @Test("38: total_size may be absent or written as 10.0", arguments: [nil, "10", "10.0", "1e1"])
  func rightTotalSize(_ size: String?) throws {
    let shards = try TestShards.pair()
    try shards.index(["a": "one", "b": "one", "c": "two", "d": "two"], totalSize: size)
    #expect(try shards.open().warnings.isEmpty)
  }

  @Test("39: a shard that is a FIFO is refused without waiting")
  func fifo() throws {
    let shards = try TestShards.pair()
    let path = shards.folder.file("pipe.safetensors")
    try FileSystem.makeFIFO(path)
    try shards.index(["a": "pipe"], totalSize: nil)
    #expect(throws: FileError.notARegularFile(path: path)) { try shards.open() }
  }

  @Test("39: a shard that is a folder")
  func folderShard() throws {
    let shards = try TestShards.pair()
    let path = shards.folder.folder("sub.safetensors")
    try shards.index(["a": "sub"], totalSize: nil)
    let error = #expect(throws: FileError.self) { try shards.open() }
    #expect(error == .notARegularFile(path: path))
    #expect(error?.description == "\(path): not a regular file")
  }

  @Test("39: an index that is a FIFO")
  func fifoIndex() throws {
    let shards = TestShards()
    try FileSystem.makeFIFO(shards.indexPath)
    #expect(throws: FileError.notARegularFile(path: shards.indexPath)) { try shards.open() }
  }

  @Test("a broken shard is reported as what it is")
  func brokenShard() throws {
    let shards = try TestShards.pair()
    try shards.folder.write([1, 2, 3], to: "two.safetensors")
    let error = #expect(throws: SafetensorsError.self) { try shards.open() }
    #expect(error?.path == shards.folder.file("two.safetensors"))
    #expect(error?.reason == .tooShort(found: 3))
  }

  @Test(
    "an index without a weight map of strings",
    arguments: [
      "{}", "[]", #"{"weight_map": null}"#, #"{"weight_map": []}"#, #"{"weight_map": {"a": 1}}"#,
      #"{"weight_map": {"a": null}}"#, #"{"weight_map": {"a": ["one.safetensors"]}}"#,
    ])
  func noWeightMap(_ text: String) throws {
    let shards = try TestShards.pair()
    try shards.index(text: text)
    shards.expectRefused(
      .noWeightMap,
      line: "no 'weight_map' (expected an object of tensor name to shard name)")
  }

  @Test(
    "an index that is not strict JSON",
    arguments: [
      ("", JSONError(reason: .unexpectedEnd, offset: 0)),
      ("\u{feff}{}", JSONError(reason: .byteOrderMark, offset: 0)),
      (#"{"weight_map": {}} x"#, JSONError(reason: .trailingText, offset: 19)),
      (
        #"{"weight_map": {"a": "x", "\u0061": "y"}}"#,
        JSONError(reason: .duplicateKey("a"), offset: 39)
      ),
      (String(repeating: "[", count: 100_000), JSONError(reason: .tooDeep(limit: 16), offset: 17)),
    ])
  func notStrict(_ text: String, _ error: JSONError) throws {
    let shards = try TestShards.pair()
    try shards.index(text: text)
    shards.expectRefused(.json(error), line: "\(error)")
  }
}
