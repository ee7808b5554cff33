internal import ByteIO

/// What a process that lists a file may use up.
public struct HDF5WorkerLimits: Sendable {
  /// Seconds until it is ended.
  public var seconds: Int
  /// Seconds of processor time.
  public var processorSeconds: Int
  /// Bytes of address space beyond what the program takes when it starts; Linux only.
  public var memory: Int
  /// Called several times a second while the process runs; what it throws ends the process and
  /// is passed on. A program that catches signals throws here when one has come.
  public var checkpoint: (@Sendable () throws -> Void)?

  /// What the process does instead of listing, for tests.
  package var misbehavior: HDF5Misbehavior?

  /// What `ReadingLimits` allow; two thirds of the time may be processor time.
  public init() {
    let limits = ReadingLimits.current
    seconds = limits.listingSeconds
    processorSeconds = max(1, limits.listingSeconds * 2 / 3)
    memory = limits.listingBytes
  }
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
