import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import FoldJobs

/// Folding in place: what is overwritten, what a crash leaves, who is turned away.
@Suite struct InPlaceTests {
  @Test("groups in order give the folded base and leave no journal")
  func straight() throws {
    let made = try InPlaceCase()
    #expect(try made.run() == 0)
    #expect(try made.disk().files == made.expected())
    #expect(made.folder.entries == ["base"])
  }

  @Test("after a power cut at any point, with any unflushed sectors lost, the next run finishes")
  func crashes() throws {
    let made = try InPlaceCase()
    let expected = try made.expected()
    let simulated = SimulatedDisk(made, seed: 5)
    #expect(try simulated.watching { try made.run() } == 0)
    #expect(try made.disk().files == expected)
    // Begun and ended: three flushes of the journal a group, and one of each file it changes.
    #expect(simulated.states.count > 12 * SimulatedDisk.mixtures)
    #expect(Set(simulated.states.compactMap(\.journal)).count > 40)
    #expect(Set(simulated.states.map(\.files)).count > 40)
    for (number, disk) in simulated.states.dropLast().enumerated() {
      try made.put(disk)
      #expect(try InPlaceJournal.isPending(besides: made.base) == (disk.journal != nil))
      if number % 3 == 0 {
        // A second power cut while the originals are put back, or later.
        let again = SimulatedDisk(made, seed: UInt64(number), mixtures: 1)
        try again.watching { try made.run() }
        #expect(try made.disk().files == expected, "state \(number)")
        let states = again.states.filter { $0.journal != nil || $0.files != expected }
        try made.put(states[number / 3 % states.count])
      }
      try made.run()
      #expect(try made.disk().files == expected, "state \(number)")
      #expect(try !InPlaceJournal.isPending(besides: made.base), "state \(number)")
    }
  }

  @Test("a run that stops on its own puts the group back, and all of a base it has just begun")
  func cancelled() throws {
    let made = try InPlaceCase()
    do {
      let checkpoint = try made.open()
      let journal = try made.journal(checkpoint)
      try journal.begin(0, made.spans(0, checkpoint))
      try made.overwrite(0, checkpoint)
      try journal.cancel()
    }
    #expect(try made.disk().files == made.original)
    #expect(made.folder.entries == ["base"])
    do {
      let checkpoint = try made.open()
      let journal = try made.journal(checkpoint)
      for group in 0...1 {
        try journal.begin(group, made.spans(group, checkpoint))
        try made.overwrite(group, checkpoint)
        if group == 0 { try journal.end(0) } else { try journal.cancel() }
      }
    }
    #expect(try InPlaceJournal.pending(for: made.base)?.groupsDone == 1)
    #expect(try made.run() == 1)
  }

  @Test("an interrupted fold is told, with its command, of every path that leads to it")
  func pending() throws {
    let made = try InPlaceCase()
    #expect(try InPlaceJournal.pending(for: made.base) == nil)
    try interrupt(made)
    let pending = try #require(try InPlaceJournal.pending(for: made.base + "/"))
    #expect(pending.groupsDone == 1 && pending.groupCount == 3 && pending.state == [1, 2, 3])
    #expect(pending.fingerprint == made.fingerprint)
    try FileSystem.link(made.folder.file("link"), to: made.base)
    for path in [made.base, made.base + "/", made.paths[1], made.folder.file("link")] {
      #expect(try InPlaceJournal.isPending(besides: path))
      let error = #expect(throws: InPlaceError.self) { try InPlaceJournal.check(path) }
      #expect(error?.description.contains("resloratool fold x --in-place") == true)
    }
    #expect(try !InPlaceJournal.isPending(besides: made.folder.path))
    #expect(try !InPlaceJournal.isPending(besides: "no/such/path"))
    // The journal of one file of a folder is found by the folder.
    try FileSystem.write([], to: made.folder.file("base/model.safetensors.fold-journal"))
    try UpdatableFile(path: made.journal).remove()
    #expect(try InPlaceJournal.isPending(besides: made.base))
  }

  @Test("another plan, another file, a lock and links are refused; nothing is touched")
  func refusals() throws {
    let made = try InPlaceCase()
    try interrupt(made)
    let disk = try made.disk()
    let other = [UInt8](repeating: 9, count: 3).withUnsafeBytes { SHA256Hasher.digest(of: $0) }
    #expect(
      throws: InPlaceError.otherFold(
        path: made.base, journal: made.journal, command: "resloratool fold x --in-place")
    ) { _ = try made.journal(made.open(), fingerprint: other) }
    // A fresh copy under the old name.
    try OutputFile.write(made.original[0], to: made.paths[0], replacing: true)
    #expect(throws: InPlaceError.replaced(path: made.paths[0], journal: made.journal)) {
      _ = try made.journal(made.open())
    }
    #expect(try made.disk().journal == disk.journal)
    try FileSystem.whileLocked(made.paths[1]) {
      #expect(throws: FileError.inUse(path: made.paths[1])) { _ = try made.open() }
    }
    try FileSystem.hardLink(made.folder.file("second"), to: made.paths[1])
    #expect(throws: FileError.hasOtherNames(path: made.paths[1])) { _ = try made.open() }
    let link = made.folder.file("link.safetensors")
    try FileSystem.link(link, to: made.paths[0])
    #expect(throws: FileError.hasOtherNames(path: link)) {
      _ = try InPlaceFile(SafetensorsFile(path: link))
    }
  }

  @Test("a damaged journal is refused, or the damage does not matter")
  func damage() throws {
    let made = try InPlaceCase()
    let expected = try made.expected()
    try interrupt(made)
    let disk = try made.disk()
    let journal = try #require(disk.journal)
    var refused = 0
    let record = 3 * JournalHead.pageSize
    let positions =
      Array(0..<300) + Array(stride(from: 4096, to: 4200, by: 3)) + Array(8192..<8240)
      + Array(stride(from: record, to: journal.count, by: 97))
    for position in positions {
      var changed = disk
      changed.journal?[position] ^= 0x10
      try made.put(changed)
      do {
        try made.run()
      } catch is InPlaceError {
        refused += 1
        #expect(try made.disk().files == disk.files, "byte \(position)")
        continue
      }
      #expect(try made.disk().files == expected, "byte \(position)")
    }
    #expect(refused > 100)
    for size in [0, 50, 100, 4095, 4100] {
      var changed = disk
      changed.journal = Array(journal.prefix(size))
      try made.put(changed)
      #expect(throws: InPlaceError.self, "\(size) bytes") { try made.run() }
    }
  }

  @Test(
    "a mark of more groups than there are is refused, the largest number too",
    arguments: [
      (1, 3), (1, Int.max), (0, 1), (Int.max, Int.max), (Int.max, Int.max - 1),
    ])
  func madeUpMark(groups: Int, steps: Int) throws {
    let fingerprint = SHA256Hasher.digest(of: [1])
    let head = JournalHead(
      fingerprint: fingerprint, groupCount: groups, command: "fold", state: [], files: [])
    let number = littleEndianBytes(UInt64(steps))
    let mark = number + SHA256Hasher.digest(of: fingerprint.bytes + number).bytes
    let folder = TemporaryFolder()
    let path = folder.file("x.fold-journal")
    try FileSystem.write(head.bytes + mark, to: path)
    let store = try JournalStore(path: path)
    guard groups < .max else {
      #expect(try store.progress().steps == steps)
      return
    }
    #expect(throws: InPlaceError.damaged(journal: path, what: "both marks of progress")) {
      _ = try store.progress()
    }
  }

  /// Leaves a journal with one group done and the second one saved and half overwritten.
  private func interrupt(_ made: InPlaceCase) throws {
    let checkpoint = try made.open()
    let journal = try made.journal(checkpoint)
    try journal.begin(0, made.spans(0, checkpoint))
    try made.overwrite(0, checkpoint)
    try journal.end(0)
    try journal.begin(1, made.spans(1, checkpoint))
    try [UInt8](repeating: 1, count: 50).withUnsafeBytes {
      try checkpoint.write($0, tensor: 0, at: 9000)
    }
  }

  @Test("as a sink: writes land, the rest stays")
  func sink() throws {
    let made = try InPlaceCase()
    let sources = try made.paths.map { try SafetensorsFile(path: $0) }
    let checkpoint = try InPlaceCheckpoint(sources)
    #expect(checkpoint.tensors.map(\.name) == ["a", "b", "c", "d"])
    try [UInt8](1...4).withUnsafeBytes { try checkpoint.write($0, tensor: 2, at: 6) }
    let scratch = AlignedBuffer(byteCount: 64)
    var expected = made.original
    let start = sources[1].header.dataStart + 6
    expected[1].replaceSubrange(start..<(start + 4), with: [1, 2, 3, 4])
    #expect(try made.disk().files == expected)
    let found = scratch.prefix(4)
    try checkpoint.readBack(tensor: 2, at: 6, into: found)
    #expect(Array(found) == [1, 2, 3, 4])
    #expect(
      checkpoint.span(tensor: 2, at: 6, count: 4) == InPlaceSpan(file: 1, offset: start, count: 4))
  }
}
