import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Which files of a folder are a checkpoint, and where links may lead; numbers are those of the
/// project's list of bad inputs.
@Suite(.timeLimit(.minutes(10))) struct CheckpointFolderTests {
  @Test("33: a link that leaves the folder", arguments: ["absolute", "relative", "over a folder"])
  func linkOutside(_ kind: String) throws {
    let shards = try TestShards.pair()
    let outside = TestShards()
    try outside.shard("x.safetensors", ["a": 1])
    let name = shards.folder.file("link.safetensors")
    switch kind {
    case "absolute": try FileSystem.link(name, to: outside.folder.file("x.safetensors"))
    case "relative":
      try FileSystem.link(name, to: "../\(Paths.name(of: outside.path))/x.safetensors")
    default:
      try FileSystem.link(shards.folder.file("sub"), to: outside.path)
      try FileSystem.link(name, to: "sub/x.safetensors")
    }
    try shards.index(["a": "link"], totalSize: nil)
    shards.expectRefused(
      .shardOutsideFolder(shard: "link.safetensors"),
      line: "shard 'link.safetensors' is a link that leaves the folder")
  }

  @Test("33: a link to another file of the folder, and a linked folder, are accepted")
  func linkInside() throws {
    let shards = try TestShards.pair()
    try FileSystem.link(shards.folder.file("link.safetensors"), to: "one.safetensors")
    try shards.index(["a": "link", "b": "link"], totalSize: "3")
    #expect(try shards.open().tensors.map(\.name) == ["a", "b"])
    let elsewhere = TemporaryFolder()
    try FileSystem.link(elsewhere.file("model"), to: shards.path)
    #expect(try ShardedCheckpoint(folder: elsewhere.file("model")).tensors.count == 2)
    #expect(try ShardedCheckpoint(folder: elsewhere.file("model/")).tensors.count == 2)
  }

  /// A hub cache: `snapshots/REV` with links to the files that `target` names.
  private func hubCache(target: (String) -> String) throws -> (
    folder: TemporaryFolder, path: String
  ) {
    let folder = TemporaryFolder()
    for name in ["models", "models/blobs", "models/blobs/sub", "models/snapshots", "models/other"] {
      _ = folder.folder(name)
    }
    let snapshot = folder.folder("models/snapshots/5f3c")
    let shards = try TestShards.pair()
    for (name, blob) in [
      ("one.safetensors", "aa11"), ("two.safetensors", "bb22"),
      ("model.safetensors.index.json", "cc33"),
    ] {
      let bytes = try ReadableFile.contents(of: shards.folder.file(name), limit: 1 << 20)
      for place in ["blobs", "blobs/sub", "other"] {
        try folder.write(bytes, to: "models/\(place)/\(blob)")
      }
      try FileSystem.link(Paths.join(snapshot, name), to: target(blob))
    }
    return (folder, snapshot)
  }

  @Test("33: the hub cache's links from snapshots/REV to blobs are accepted")
  func hubLinks() throws {
    let (folder, path) = try hubCache { "../../blobs/\($0)" }
    let checkpoint = try ShardedCheckpoint(folder: path)
    #expect(checkpoint.tensors.map(\.name) == ["a", "b", "c", "d"])
    #expect(try checkpoint.bytes(of: 3) == [4, 4, 4, 4])
    // Through a link to the snapshot too.
    try FileSystem.link(folder.file("current"), to: path)
    #expect(try ShardedCheckpoint(folder: folder.file("current")).tensors.count == 4)
  }

  @Test(
    "33: links from snapshots/REV to anywhere else are refused",
    arguments: [
      "../../other/", "../../blobs/sub/", "../../../models/other/",
    ])
  func hubLinksElsewhere(_ place: String) throws {
    let (folder, path) = try hubCache { place + $0 }
    let error = #expect(throws: ShardIndexError.self) { try ShardedCheckpoint(folder: path) }
    #expect(error?.reason == .shardOutsideFolder(shard: "one.safetensors"))
    #expect(folder.entries == ["models"])
  }

  @Test("a folder of one safetensors file, whatever its name")
  func singleFile() throws {
    let shards = TestShards()
    try shards.shard("anything.safetensors", ["a": 1])
    try shards.folder.write([1], to: "config.json")
    let checkpoint = try shards.open()
    #expect(checkpoint.tensors.map(\.name) == ["a"])
    #expect(checkpoint.label == shards.path)
    #expect(checkpoint.warnings.isEmpty)
  }

  @Test("model.safetensors counts among several files without an index")
  func modelAmongSeveral() throws {
    let shards = TestShards()
    try shards.shard("extra.safetensors", ["a": 1])
    try shards.shard("model.safetensors", ["b": 2])
    #expect(try shards.open().tensors.map(\.name) == ["b"])
  }

  @Test(
    "no checkpoint: an empty folder, other files, several files and no index",
    arguments: [
      [], ["config.json"], ["x.safetensors", "y.safetensors"], [".safetensors"],
    ])
  func noCheckpoint(_ names: [String]) throws {
    let shards = TestShards()
    for name in names { try shards.shard(name, ["a": 1]) }
    shards.expectRefused(
      .noCheckpoint,
      line: "no checkpoint to be told in this folder (expected one .safetensors file, "
        + "model.safetensors, or an index; other formats than safetensors are not read); name the file",
      path: shards.path)
  }

  @Test("several indexes: model's counts, else the folder is refused")
  func severalIndexes() throws {
    let shards = try TestShards.pair()
    for name in ["x", "y"] {
      let text = #"{"weight_map": {"a": "one.safetensors"}}"#
      try shards.folder.write(Array(text.utf8), to: "\(name).safetensors.index.json")
    }
    #expect(try shards.open().tensors.count == 4)
    let others = TestShards()
    for name in ["x", "y"] { try others.folder.write([], to: "\(name).safetensors.index.json") }
    others.expectRefused(
      .severalIndexes(["x.safetensors.index.json", "y.safetensors.index.json"]),
      line: "several indexes (found 'x.safetensors.index.json', 'y.safetensors.index.json', "
        + "expected one); name a file instead of the folder", path: others.path)
  }

  @Test("an index of another name is found, and a single file beside it ignored")
  func otherIndex() throws {
    let shards = TestShards()
    try shards.shard("p-1.safetensors", ["a": 1])
    try shards.shard("model.safetensors", ["b": 2])
    try shards.folder.write(
      Array(#"{"weight_map": {"a": "p-1.safetensors"}}"#.utf8),
      to: "diffusion_pytorch_model.safetensors.index.json")
    #expect(try shards.open().tensors.map(\.name) == ["a"])
  }

  @Test("a folder that is not there")
  func absent() throws {
    let folder = TemporaryFolder()
    let error = #expect(throws: SystemError.self) {
      try ShardedCheckpoint(folder: folder.file("gone"))
    }
    #expect(error?.path == folder.file("gone"))
    #expect(error?.failureKind == .badData)
  }

  @Test("a Git LFS pointer in the place of a shard is named")
  func pointer() throws {
    let folder = TemporaryFolder()
    try folder.write(
      Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n".utf8),
      to: "x.safetensors")
    let error = #expect(throws: SafetensorsError.self) {
      try SafetensorsFile(path: folder.file("x.safetensors"))
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("git lfs pull"))
  }
}
