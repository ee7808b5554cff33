import ByteIO
import Safetensors
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import FoldJobs

/// A base of two files that is "folded" in place group by group: every byte of its spans is changed
/// so that changing it twice, or not at all, shows.
struct InPlaceCase: Sendable {
  /// What lies on the disk at some moment.
  struct Disk {
    var journal: [UInt8]?
    var files: [[UInt8]]
  }

  let folder = TemporaryFolder()
  let base: String
  let paths: [String]
  let original: [[UInt8]]
  /// The tensor, offset and count of every tile of a group.
  let groups: [[(tensor: Int, offset: Int, count: Int)]] = [
    [(0, 0, 9000), (2, 100, 5000)], [(0, 9000, 3001)], [(1, 0, 40), (2, 5100, 7000), (3, 0, 8)],
  ]

  var journal: String { InPlaceJournal.path(for: base) }
  let fingerprint = Array("plan".utf8).withUnsafeBytes { SHA256Hasher.digest(of: $0) }

  init() throws {
    var generator = SeededGenerator(seed: 11)
    base = folder.folder("base")
    let shapes: [[(TensorName, DType, Int)]] = [
      [("a", .u8, 12_001), ("b", .f32, 10)], [("c", .bf16, 8_000), ("d", .f64, 1)],
    ]
    paths = ["one.safetensors", "two.safetensors"].map { [base] in Paths.join(base, $0) }
    for (path, tensors) in zip(paths, shapes) {
      let infos = try tensors.map { try TensorInfo(name: $0.0, dtype: $0.1, shape: [$0.2]) }
      let layout = SafetensorsLayout(ordered: infos, metadata: [])
      let data = (0..<(layout.fileSize - layout.headerBytes.count)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      try FileSystem.write(layout.headerBytes + data, to: path)
    }
    original = try paths.map(FileSystem.contents)
  }

  func open() throws -> InPlaceCheckpoint {
    try InPlaceCheckpoint(paths.map { try SafetensorsFile(path: $0) })
  }

  func journal(
    _ checkpoint: InPlaceCheckpoint, fingerprint: SHA256Digest? = nil, threads: Int = 2
  ) throws -> InPlaceJournal {
    try InPlaceJournal(
      base: base, files: checkpoint.files, fingerprint: fingerprint ?? self.fingerprint,
      groups: groups.count, command: "resloratool fold x --in-place", state: [1, 2, 3],
      threads: threads)
  }

  func spans(_ group: Int, _ checkpoint: InPlaceCheckpoint) -> [InPlaceSpan] {
    groups[group].map { checkpoint.span(tensor: $0.tensor, at: $0.offset, count: $0.count) }
  }

  /// Overwrites a group as an engine does: reads each tile, computes, writes.
  func overwrite(_ group: Int, _ checkpoint: InPlaceCheckpoint) throws {
    for (tensor, offset, count) in groups[group] {
      var bytes = [UInt8](repeating: 0, count: count)
      try bytes.withUnsafeMutableBytes {
        try checkpoint.readBack(tensor: tensor, at: offset, into: $0)
      }
      for position in bytes.indices { bytes[position] = bytes[position] &+ 77 }
      try bytes.withUnsafeBytes { try checkpoint.write($0, tensor: tensor, at: offset) }
    }
  }

  /// Begins or goes on and does all that is left; the group it began with.
  @discardableResult
  func run() throws -> Int {
    let checkpoint = try open()
    let journal = try journal(checkpoint)
    for group in journal.firstGroup..<groups.count {
      try journal.begin(group, spans(group, checkpoint))
      try overwrite(group, checkpoint)
      try journal.end(group)
    }
    try journal.finish()
    return journal.firstGroup
  }

  /// What must lie on the disk in the end.
  func expected() throws -> [[UInt8]] {
    let all = try open()
    var files = original
    for span in groups.indices.flatMap({ spans($0, all) }) {
      for position in span.offset..<(span.offset + span.count) {
        files[span.file][position] = files[span.file][position] &+ 77
      }
    }
    return files
  }

  // MARK: Disks

  func disk() throws -> Disk {
    Disk(
      journal: try Paths.kind(of: journal) == .file ? FileSystem.contents(journal) : nil,
      files: try paths.map(FileSystem.contents))
  }

  /// Puts a state on the disk; the base's files stay the same files.
  func put(_ disk: Disk) throws {
    for (path, bytes) in zip(paths, disk.files) { try FileSystem.write(bytes, to: path) }
    if let bytes = disk.journal {
      try FileSystem.write(bytes, to: journal)
    } else if try Paths.kind(of: journal) != .absent {
      try UpdatableFile(path: journal).remove()
    }
  }

  /// What a power cut leaves of a file between two flushes: any mix of old and new sectors, and any
  /// length between the two.
  static func torn(
    _ old: [UInt8], _ new: [UInt8], _ generator: inout SeededGenerator, sector: Int = 512
  ) -> [UInt8] {
    let size =
      new.count > old.count ? Int.random(in: old.count...new.count, using: &generator) : new.count
    let share = Double.random(in: 0...1, using: &generator)
    var bytes = [UInt8](repeating: 0, count: size)
    for start in stride(from: 0, to: size, by: sector) {
      let isNew = Double.random(in: 0..<1, using: &generator) < share
      for position in start..<min(size, start + sector) {
        if isNew {
          bytes[position] = new[position]
        } else if position < old.count {
          bytes[position] = old[position]
        }
      }
    }
    return bytes
  }
}

/// What power cuts would leave of a run: watches its flushes, and keeps mixtures of what was flushed
/// and what was written since.
final class SimulatedDisk: Sendable {
  private struct State {
    var flushed: InPlaceCase.Disk
    var found: [InPlaceCase.Disk]
    var generator: SeededGenerator
  }

  /// The mixtures kept for each flush.
  static let mixtures = 12
  /// The size of a journal whose head has a page, before its first record.
  private static let emptyJournal = 3 * JournalHead.pageSize

  private let made: InPlaceCase
  private let mixtures: Int
  private let state: Mutex<State>

  init(_ made: InPlaceCase, seed: UInt64, mixtures: Int = SimulatedDisk.mixtures) {
    self.made = made
    self.mixtures = mixtures
    let disk = (try? made.disk()) ?? InPlaceCase.Disk(journal: nil, files: [])
    state = Mutex(
      State(flushed: disk, found: [disk], generator: SeededGenerator(seed: seed)))
  }

  /// The states found so far.
  var states: [InPlaceCase.Disk] { state.withLock { $0.found } }

  /// Runs `body` and keeps what power cuts would leave of it.
  @discardableResult
  func watching<Result>(_ body: () throws -> Result) throws -> Result {
    let result = try UpdatableFile.$beforeSynchronizing.withValue(
      { path in try self.flush(path) }, operation: body)
    let disk = try made.disk()
    state.withLock { $0.found.append(disk) }
    return result
  }

  private func flush(_ path: String) throws {
    let written = try made.disk()
    let index = made.paths.firstIndex { Paths.areSame($0, path) }
    state.withLock { state in
      // The journal is created in one step, flushed, without a record.
      if state.flushed.journal == nil {
        state.flushed.journal = written.journal.map { Array($0.prefix(SimulatedDisk.emptyJournal)) }
      }
      state.found.append(written)
      for number in 0..<mixtures {
        // Sectors, and bytes for marks that are smaller than one.
        let sector = number % 4 == 3 ? 3 : 512
        var disk = state.flushed
        if let old = disk.journal, let new = written.journal {
          disk.journal = InPlaceCase.torn(old, new, &state.generator, sector: sector)
        }
        disk.files = zip(disk.files, written.files).map {
          InPlaceCase.torn($0, $1, &state.generator, sector: sector)
        }
        state.found.append(disk)
      }
      if let index {
        state.flushed.files[index] = written.files[index]
      } else {
        state.flushed.journal = written.journal
      }
    }
  }
}
