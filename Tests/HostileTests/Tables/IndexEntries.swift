import ByteIO
import Foundation
import FormatTestSupport
import LoRATestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Entries 31 to 40: the index of a folder of shards.
enum IndexEntries {
  static let all = names + shards + tensors + kinds + accepted

  private static let index = "model/model.safetensors.index.json"

  private static let commands = [
    ["inspect", "model"],
    ["inspect", "--json", "--stats", "model"],
    ["merge", "adapter", "--base", "model", "-o", "out"],
    ["fold", "adapter", "--into", "model", "-o", "out"],
    ["fold", "adapter", "--into", "model", "--in-place", "--force"],
    ["convert", "model", "out.safetensors"],
    ["diff", "model", "base.safetensors"],
  ]

  /// A folder of two shards, `a` and `b` in one, `c` and `d` in two, that every command refuses for
  /// one reason.
  private static func folder(
    _ entry: Int, _ title: String, _ line: String,
    _ prepare: @escaping @Sendable (TestShards) throws -> Void,
    after: @escaping @Sendable (TemporaryFolder) throws -> Void = { _ in }
  ) -> HostileCase {
    HostileCase(
      entry, title,
      commands.map { .refused($0, line) } + [.invalid("model", [line])]
    ) { folder in
      let shards = try TestShards.pair()
      try prepare(shards)
      try FileManager.default.copyItem(atPath: shards.path, toPath: folder.file("model"))
      try after(folder)
    }
  }

  /// A name in the index that is none of a shard.
  private static func name(_ entry: Int, _ title: String, _ shard: String) -> HostileCase {
    folder(
      entry, title,
      "\(index): tensor 'b': bad shard name (found '\(shard)', "
        + "expected the name of a safetensors file in the same folder)"
    ) { try $0.index(raw: [("a", "one.safetensors"), ("b", shard)]) }
  }

  private static let names = [
    name(31, "a shard above the folder", "../base.safetensors"),
    name(31, "a shard in a folder below", "sub/one.safetensors"),
    name(32, "a shard by its absolute path", "/etc/passwd"),
    name(40, "a shard that is the index", "model.safetensors.index.json"),
  ]

  private static let shards = [
    folder(
      33, "a shard that is a link out of the folder",
      "\(index): shard 'link.safetensors' is a link that leaves the folder"
    ) { shards in
      try shards.index(["a": "link"], totalSize: nil)
    } after: {
      try FileSystem.link($0.file("model/link.safetensors"), to: "../base.safetensors")
    },
    folder(
      34, "shards that are not there, all listed",
      "\(index): missing shards: 'nine.safetensors', 'zero.safetensors'"
    ) { try $0.index(["a": "one", "x": "zero", "y": "nine", "z": "zero"], totalSize: nil) },
  ]

  private static let tensors = [
    folder(
      35, "a tensor that its shard lacks",
      "\(index): tensor 'e' is not in its shard 'two.safetensors'"
    ) {
      try $0.index(
        ["a": "one", "b": "one", "c": "two", "d": "two", "e": "two"], totalSize: nil)
    },
    folder(
      36, "a tensor that the index lacks",
      "\(index): tensor 'd' of shard 'two.safetensors' is not mapped to it by the index"
    ) { try $0.index(["a": "one", "b": "one", "c": "two"], totalSize: nil) },
    folder(
      37, "a tensor in two shards",
      "\(index): tensor 'a' of shard 'two.safetensors' is not mapped to it by the index"
    ) { try $0.shard("two.safetensors", ["a": 1, "c": 3, "d": 4]) },
  ]

  private static let kinds = [
    folder(39, "a shard that is a FIFO", "model/pipe.safetensors: not a regular file") {
      try $0.index(["a": "pipe"], totalSize: nil)
    } after: {
      try FileSystem.makeFIFO($0.file("model/pipe.safetensors"))
    },
    folder(39, "a shard that is a folder", "model/sub.safetensors: not a regular file") {
      _ = $0.folder.folder("sub.safetensors")
      try $0.index(["a": "sub"], totalSize: nil)
    },
    folder(39, "an index that is a FIFO", "\(index): not a regular file") { _ in
    } after: {
      try FileManager.default.removeItem(atPath: $0.file(index))
      try FileSystem.makeFIFO($0.file(index))
    },
  ]

  private static let warning =
    "warning: \(index): wrong total_size (found 11, expected \(baseBytes))"
  /// The bytes of the good base's tensors.
  private static let baseBytes = 1440

  private static let accepted = [
    HostileCase(
      38, "a wrong total size",
      [
        .accepted(["inspect", "--json", "model"], warning: warning) { outcome in
          let warnings = try outcome.json()["warnings"]?.array?.map(\.string)
          #expect(warnings == [String(warning.dropFirst("warning: ".count))])
        },
        .accepted(
          ["fold", "adapter", "--into", "model", "-o", "out"], warning: warning, creates: ["out"]),
        .accepted(["diff", "out", "expected.safetensors"], warning: ""),
      ]
    ) { folder in
      let one = folder.folder("model") + "/one.safetensors"
      try FileManager.default.copyItem(atPath: folder.file("base.safetensors"), toPath: one)
      let names = try SafetensorsFile(path: one).tensors.map(\.name.string)
      try folder.write(
        text: #"{"metadata":{"total_size":11},"weight_map":{"#
          + names.map { "\"\($0)\":\"one.safetensors\"" }.joined(separator: ",") + "}}", to: index)
      try FileManager.default.copyItem(
        atPath: TestFiles.fixture("synthetic/plain/folded-none.safetensors"),
        toPath: folder.file("expected.safetensors"))
    }
  ]
}
