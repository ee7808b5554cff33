import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import FoldJobs

/// A made-up base, the same with some tensors changed, and the undo file between them.
struct UndoCase {
  /// A file of a checkpoint.
  struct File {
    let name: String
    let tensors: [TensorInfo]
    var contents: [TensorName: [UInt8]]
    var metadata: [(key: String, value: String)] = []
  }

  let folder = TemporaryFolder()
  var base: [File]
  var changed: Set<TensorName>

  static let shapes: [(TensorName, DType, [Int])] = [
    ("a.weight", .bf16, [70, 33]), ("b.weight", .f16, [9, 100]), ("c.weight", .f32, [40, 41]),
    ("d.scale", .u8, [501]), ("e.empty", .f32, [0, 4]), ("f.scalar", .f64, []),
    ("g.ids", .i64, [77]), ("h.same", .bf16, [300]),
  ]

  /// A base of `count` files with the tensors above dealt out among them.
  init(files count: Int) throws {
    var generator = SeededGenerator(seed: 3)
    base = try (0..<count).map { file in
      let tensors = try UndoCase.shapes.enumerated().filter { $0.offset % count == file }
        .map { try TensorInfo(name: $0.element.0, dtype: $0.element.1, shape: $0.element.2) }
      let contents = tensors.map { info in
        (info.name, (0..<info.byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) })
      }
      return File(
        name: count == 1 ? "model.safetensors" : "model-\(file + 1).safetensors",
        tensors: tensors, contents: Dictionary(uniqueKeysWithValues: contents),
        metadata: [("format", "pt")])
    }
    changed = ["a.weight", "b.weight", "c.weight", "d.scale", "f.scalar", "e.empty"]
  }

  /// What a fold would have made of the base: few bytes differ, the first and last among them.
  var folded: [File] {
    base.map { file in
      var file = file
      for (name, bytes) in file.contents where changed.contains(name) && !bytes.isEmpty {
        var bytes = bytes
        for position in stride(from: 0, to: bytes.count, by: 7) { bytes[position] ^= 1 }
        bytes[bytes.count - 1] ^= 3
        file.contents[name] = bytes
      }
      return file
    }
  }

  /// Writes files into a folder, with an index where there are several; its path.
  func write(_ files: [File], to name: String, indexed: Bool? = nil) throws -> String {
    let path = folder.folder(name)
    var map: [String] = []
    for file in files {
      let layout = SafetensorsLayout(ordered: file.tensors, metadata: file.metadata)
      let writer = try SafetensorsWriter(
        path: Paths.join(path, file.name), layout: layout, replacing: true)
      for (index, info) in file.tensors.enumerated() {
        try #require(file.contents[info.name]).withUnsafeBytes {
          try writer.write($0, tensor: index, at: 0)
        }
        map.append("\"\(info.name)\": \"\(file.name)\"")
      }
      try writer.commit()
    }
    if indexed ?? (files.count > 1) {
      let text = "{\"metadata\": {},\n \"weight_map\": {\(map.joined(separator: ",\n"))}}\n"
      try FileSystem.write(
        Array(text.utf8), to: Paths.join(path, "model.safetensors.index.json"))
    }
    return path
  }

  /// Records all tensors in tiles of `tile` bytes on several threads and finishes.
  @discardableResult
  func record(
    to path: String, base description: UndoBase, digests: [SHA256Digest], tile: Int = 512,
    threads: Int = 3, reversed: Bool = false
  ) throws -> UndoWriter.Summary {
    let writer = try UndoWriter(path: path, base: description, replacing: true)
    var tiles: [(TensorInfo, Int, [UInt8], [UInt8])] = []
    for (before, after) in zip(base, folded) {
      for info in before.tensors where changed.contains(info.name) {
        let (old, new) = (before.contents[info.name] ?? [], after.contents[info.name] ?? [])
        for start in stride(from: 0, to: old.count, by: tile) {
          let range = start..<min(old.count, start + tile)
          tiles.append((info, start, Array(old[range]), Array(new[range])))
        }
      }
    }
    if reversed { tiles.reverse() }
    let all = tiles
    _ = try Parallel.map(all.count, threads: threads) { number in
      let (info, offset, old, new) = all[number]
      try old.withUnsafeBytes { old in
        try new.withUnsafeBytes { new in
          try writer.record(
            tensor: info.name, elementWidth: info.dtype.bitWidth / 8, offset: offset, before: old,
            after: new)
        }
      }
    }
    return try writer.finish(digests: digests, threads: threads)
  }

  /// Writes base, folded checkpoint and undo file of a base of one file; their paths.
  func writeSingle(_ name: String = "undo") throws -> (base: String, folded: String, undo: String) {
    let base = Paths.join(try write(base, to: "base"), "model.safetensors")
    let folded = Paths.join(try write(folded, to: "folded"), "model.safetensors")
    let file = try SafetensorsFile(path: base)
    let undo = folder.file(name)
    try record(
      to: undo, base: UndoBase(file: file),
      digests: UndoBase.digests(of: [file.file], threads: 1))
    return (base, folded, undo)
  }

  /// Writes base, folded checkpoint and undo file of a base of several files; their paths.
  func writeFolder() throws -> (base: String, folded: String, undo: String) {
    let base = try write(base, to: "base")
    let folded = try write(folded, to: "folded")
    let checkpoint = try ShardedCheckpoint(folder: base)
    let undo = folder.file("undo")
    try record(
      to: undo, base: UndoBase(folder: checkpoint),
      digests: UndoBase.digests(of: checkpoint.shards.map(\.file), threads: 2))
    return (base, folded, undo)
  }
}
