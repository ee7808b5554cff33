/// What a process that lists a file may use up.
public struct HDF5WorkerLimits: Sendable {
  /// Seconds until it is ended.
  public var seconds = 30
  /// Seconds of processor time.
  public var processorSeconds = 20
  /// Bytes of address space beyond what the program takes when it starts; Linux only.
  public var memory = 1 << 30
  /// Called several times a second while the process runs; what it throws ends the process and
  /// is passed on. A program that catches signals throws here when one has come.
  public var checkpoint: (@Sendable () throws -> Void)?

  /// What the process does instead of listing, for tests.
  package var misbehavior: HDF5Misbehavior?

  /// The usual limits: 30 s, 20 s of processor time, 1 GiB.
  public init() {}
}

/// Ways in which a process can fail, for tests.
package enum HDF5Misbehavior: String, CaseIterable, Sendable {
  /// It dies of a signal.
  case crash
  /// It waits for ever.
  case hang
  /// It computes for ever.
  case compute
  /// It asks the library's allocator for more than there is.
  case allocate
  /// It ends without a message.
  case exit
  /// It opens another file after the one it was given, and says whether that went well.
  case open
  /// It closes its end of the pipe and stays.
  case linger
}
