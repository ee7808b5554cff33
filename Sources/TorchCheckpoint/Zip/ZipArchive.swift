package import ByteIO
internal import Synchronization

/// A zip archive opened for reading: its directory is read and checked against every entry's own
/// header, contents are not touched until asked for.
///
/// Stored and deflated entries, 32 and 64 bit. Safe to use from several threads.
package final class ZipArchive: Sendable {
  /// The archive's file.
  package let file: ReadableFile
  /// The entries in the order of the directory.
  package let entries: [ZipEntry]
  /// Whether contents can be checked: false where every checksum is zero, as PyTorch writes with
  /// checksums switched off.
  package let hasChecksums: Bool

  let states: [EntryState]
  private let indices: [[UInt8]: Int]

  /// Reads the directory and every entry's header.
  ///
  /// Memory: the directory, within `ReadingLimits.zipEntries`.
  ///
  /// - Throws: `TorchCheckpointError.archive` where they are damaged, disagree, or use what is not
  ///   supported; the errors of reading.
  package init(file: ReadableFile) throws {
    let entries = try TorchCheckpointError.naming(file.path) {
      let directory = try ZipDirectory(of: file)
      let entries = try directory.records.map {
        try ZipLocalHeader.entry(for: $0, in: file, before: directory.offset)
      }
      try ZipArchive.checkOverlaps(entries)
      return entries
    }
    self.file = file
    self.entries = entries
    hasChecksums = entries.allSatisfy { $0.size == 0 } || entries.contains { $0.checksum != 0 }
    states = entries.map { _ in EntryState() }
    indices = Dictionary(
      uniqueKeysWithValues: entries.enumerated().map { (Array($1.name.utf8), $0) })
  }

  /// The position in `entries` of the entry of that name.
  package func index(of name: String) -> Int? { indices[Array(name.utf8)] }

  private static func checkOverlaps(_ entries: [ZipEntry]) throws(ZipProblem) {
    let sorted = entries.sorted { $0.headerOffset < $1.headerOffset }
    for (first, second) in zip(sorted, sorted.dropFirst()) where second.headerOffset < first.end {
      throw .overlap(first: first.name, second: second.name)
    }
  }

  /// What is known of an entry's content; the lock is held while it is found out, so that other
  /// threads wait instead of doing the same.
  final class EntryState: Sendable {
    enum Knowledge {
      case unchecked
      case checked
      case inflated([UInt8])
    }

    let knowledge = Mutex(Knowledge.unchecked)
  }
}
