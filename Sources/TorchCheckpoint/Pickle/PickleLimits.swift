internal import ByteIO

/// What a pickle may take, so that a small file can't claim much memory or time.
package struct PickleLimits: Sendable {
  /// Bytes of the pickle.
  package var bytes = 64 << 20
  /// Operations carried out.
  package var operations = 10_000_000
  /// Values and marks on the stack at once.
  package var stack = 1_000_000
  /// Memo entries.
  package var memo = 1_000_000
  /// The largest memo index: no pickle stores more often than it operates.
  package var memoIndex = 10_000_000
  /// Lists, tuples and dictionaries made in all.
  package var containers = 2_000_000
  /// Storages named in all, and tensors made in all.
  package var tensors = 1_000_000
  /// Bytes of the name of a class, function or storage.
  package var name = 4096

  /// The limits of a pickle of at most 64 MiB.
  package init() {}

  /// The limits that files are read with, all but the length of a name in proportion to the bytes
  /// that `ReadingLimits` allow.
  package static var current: PickleLimits {
    var limits = PickleLimits()
    let scale = Double(ReadingLimits.current.pickleBytes) / Double(limits.bytes)
    for path in [\PickleLimits.operations, \.stack, \.memo, \.memoIndex, \.containers] {
      limits[keyPath: path] = Int(Double(limits[keyPath: path]) * scale)
    }
    limits.bytes = ReadingLimits.current.pickleBytes
    limits.tensors = ReadingLimits.current.tensors
    return limits
  }
}
