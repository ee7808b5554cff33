import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import FoldJobs

/// Undo files written and used: what comes back is the base to the byte.
@Suite struct UndoTests {
  private func contents(_ path: String) throws -> [UInt8] { try FileSystem.contents(path) }

  @Test("a base of one file comes back to the byte", arguments: [1, 2, 5])
  func oneFile(_ threads: Int) throws {
    let made = try UndoCase(files: 1)
    let (base, folded, undo) = try made.writeSingle()
    let output = made.folder.file("restored.safetensors")
    let restoration = try Restoration(UndoFile(path: undo), from: SafetensorsFile(path: folded))
    #expect(restoration.byteCount == (try contents(base).count))
    try restoration.run(to: output, replacing: false, threads: threads)
    #expect(try contents(output) == contents(base))
    #expect(try contents(folded) != contents(base))
    #expect(throws: FileError.exists(path: output)) {
      try restoration.run(to: output, replacing: false, threads: 1)
    }
    // In the place of the folded checkpoint itself.
    try restoration.run(to: folded, replacing: true, threads: 1)
    #expect(try contents(folded) == contents(base))
    #expect(!made.folder.entries.contains { $0.hasSuffix(".partial") })
  }

  @Test("a folder comes back with its index and the folded folder's other files")
  func folder() throws {
    let made = try UndoCase(files: 3)
    let (base, folded, undo) = try made.writeFolder()
    for name in ["config.json", ".gitattributes", "extra.safetensors"] {
      try FileSystem.write(Array(name.utf8), to: Paths.join(folded, name))
    }
    try FileSystem.write([1], to: Paths.join(folded, ".model.0a.partial"))
    _ = made.folder.folder("folded/1_Pooling")
    try FileSystem.write([2], to: made.folder.file("secret"))
    try FileSystem.link(Paths.join(folded, "link.json"), to: made.folder.file("secret"))
    let restoration = try Restoration(
      UndoFile(path: undo), from: ShardedCheckpoint(folder: folded))
    #expect(restoration.notes.count == 3)
    let output = made.folder.file("restored")
    try restoration.run(to: output, replacing: false, threads: 2)
    let names = try Paths.entries(of: base)
    #expect(
      try Paths.entries(of: output)
        == ["config.json"] + names)
    for name in names {
      #expect(try contents(Paths.join(output, name)) == contents(Paths.join(base, name)), "\(name)")
    }
    #expect(try contents(Paths.join(output, "config.json")) == Array("config.json".utf8))
  }

  @Test("the folded tensors may lie in other files, in another order, under other metadata")
  func resharded() throws {
    var made = try UndoCase(files: 3)
    let (base, _, undo) = try made.writeFolder()
    let all = made.folded
    let merged = UndoCase.File(
      name: "one.safetensors", tensors: all.flatMap(\.tensors).reversed(),
      contents: all.reduce(into: [:]) { $0.merge($1.contents) { first, _ in first } },
      metadata: [("by", "another tool")])
    let folded = try made.write([merged], to: "merged", indexed: false)
    for source: any FileBackedTensorSource in [
      try ShardedCheckpoint(folder: folded),
      try SafetensorsFile(path: Paths.join(folded, "one.safetensors")),
    ] {
      let output = made.folder.file("restored")
      try Restoration(UndoFile(path: undo), from: source)
        .run(to: output, replacing: true, threads: 2)
      for name in try Paths.entries(of: base) {
        #expect(try contents(Paths.join(output, name)) == contents(Paths.join(base, name)))
      }
      #expect(try Paths.entries(of: output) == Paths.entries(of: base))
    }
    // And the other way: one file that was split.
    made = try UndoCase(files: 1)
    let single = try made.writeSingle()
    let file = made.folded[0]
    let halves = [0, 1].map { half in
      UndoCase.File(
        name: "part\(half).safetensors",
        tensors: file.tensors.enumerated().filter { $0.offset % 2 == half }.map(\.element),
        contents: file.contents)
    }
    let split = try made.write(halves, to: "split")
    let output = made.folder.file("restored.safetensors")
    try Restoration(UndoFile(path: single.undo), from: ShardedCheckpoint(folder: split))
      .run(to: output, replacing: false, threads: 2)
    #expect(try contents(output) == contents(single.base))
  }

  @Test("the file's bytes depend on neither threads nor order", arguments: [1, 2, 8])
  func deterministic(_ threads: Int) throws {
    let made = try UndoCase(files: 2)
    let (base, _, undo) = try made.writeFolder()
    let checkpoint = try ShardedCheckpoint(folder: base)
    let digests = try UndoBase.digests(of: checkpoint.shards.map(\.file), threads: threads)
    for reversed in [false, true] {
      let other = made.folder.file("other")
      let summary = try made.record(
        to: other, base: UndoBase(folder: checkpoint), digests: digests, threads: threads,
        reversed: reversed)
      #expect(try contents(other) == contents(undo))
      #expect(summary.size == (try contents(other).count))
      // The empty tensor has no bytes to differ in.
      #expect(summary.tensorsChanged == made.changed.count - 1)
    }
    #expect(!made.folder.entries.contains { $0.hasSuffix(".partial") })
  }

  @Test("nothing changed, no tensors at all: the undo file holds the description alone")
  func nothing() throws {
    var made = try UndoCase(files: 1)
    made.changed = []
    let (base, folded, undo) = try made.writeSingle()
    #expect(try UndoFile(path: undo).changed.isEmpty)
    let output = made.folder.file("restored")
    try Restoration(UndoFile(path: undo), from: SafetensorsFile(path: folded))
      .run(to: output, replacing: false, threads: 1)
    #expect(try contents(output) == contents(base))
    made.base = [UndoCase.File(name: "model.safetensors", tensors: [], contents: [:])]
    let empty = try made.writeSingle("empty.undo")
    try Restoration(UndoFile(path: empty.undo), from: SafetensorsFile(path: empty.folded))
      .run(to: output, replacing: true, threads: 1)
    #expect(try contents(output) == contents(empty.base))
  }

  @Test("a tile beyond 16 MiB becomes several spans")
  func largeTile() throws {
    let folder = TemporaryFolder()
    let count = (16 << 20) + 6
    let info = try TensorInfo(name: "w", dtype: .bf16, shape: [count / 2])
    let writer = try SafetensorsWriter(
      path: folder.file("base"), layout: SafetensorsLayout(ordered: [info], metadata: []),
      replacing: false)
    try writer.commit()
    let file = try SafetensorsFile(path: folder.file("base"))
    let undo = try UndoWriter(
      path: folder.file("undo"), base: UndoBase(file: file), replacing: false)
    let (zeros, ones) = ([UInt8](repeating: 0, count: count), [UInt8](repeating: 1, count: count))
    try zeros.withUnsafeBytes { zeros in
      try ones.withUnsafeBytes {
        try undo.record(tensor: "w", elementWidth: 2, offset: 0, before: zeros, after: $0)
      }
    }
    let summary = try undo.finish(digests: UndoBase.digests(of: [file.file], threads: 1))
    #expect(summary.bytesCovered == count)
    let read = try UndoFile(path: folder.file("undo"))
    #expect(read.spans == [0..<2])
    #expect(read.chunks.prefix(2).map(\.rawLength) == [16 << 20, 6])
  }

  @Test("a folded checkpoint that was modified is refused, and the file named")
  func modified() throws {
    let made = try UndoCase(files: 2)
    let (_, folded, undo) = try made.writeFolder()
    let shard = Paths.join(folded, "model-2.safetensors")
    let size = try contents(shard).count
    try FileSystem.overwrite(shard, at: size - 1, with: [try contents(shard)[size - 1] ^ 1])
    let restoration = try Restoration(
      UndoFile(path: undo), from: ShardedCheckpoint(folder: folded))
    let error = #expect(throws: UndoError.self) {
      try restoration.run(to: made.folder.file("restored"), replacing: false, threads: 2)
    }
    guard case .notRestored("model-2.safetensors", _, _) = error?.problem else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!made.folder.entries.contains { $0.contains("restored") })
  }

  @Test("a missing tensor, another dtype or shape is refused before anything is written")
  func otherTensors() throws {
    let made = try UndoCase(files: 1)
    let (_, _, undo) = try made.writeSingle()
    let file = made.folded[0]
    func source(_ tensors: [TensorInfo]) throws -> SafetensorsFile {
      let contents = tensors.map { ($0.name, [UInt8](repeating: 0, count: $0.byteCount)) }
      let other = UndoCase.File(
        name: "x.safetensors", tensors: tensors,
        contents: Dictionary(uniqueKeysWithValues: contents))
      return try SafetensorsFile(
        path: Paths.join(made.write([other], to: "other"), "x.safetensors"))
    }
    let short = try source(Array(file.tensors.dropLast()))
    #expect(throws: UndoError(path: short.label, problem: .missingTensor("h.same"))) {
      _ = try Restoration(UndoFile(path: undo), from: short)
    }
    let wider = try source(file.tensors.map { try $0.dtype == .bf16 ? $0.converted(to: .f32) : $0 })
    #expect(
      throws: UndoError(
        path: wider.label,
        problem: .differentTensor("a.weight", found: "F32 [70, 33]", expected: "BF16 [70, 33]"))
    ) { _ = try Restoration(UndoFile(path: undo), from: wider) }
  }

  @Test("an error of the progress callback leaves nothing")
  func cancelled() throws {
    struct Stop: Error {}
    let made = try UndoCase(files: 2)
    let (_, folded, undo) = try made.writeFolder()
    let restoration = try Restoration(
      UndoFile(path: undo), from: ShardedCheckpoint(folder: folded))
    #expect(throws: Stop.self) {
      try restoration.run(to: made.folder.file("restored"), replacing: false, threads: 2) {
        if $0 > $1 / 2 { throw Stop() }
      }
    }
    #expect(made.folder.entries == ["base", "folded", "undo"])
  }
}
