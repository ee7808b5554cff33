internal import ByteIO
internal import Tensors

/// The room that a fold takes on a disk beside what lies there.
public struct FoldSpace: Sendable, Equatable {
  /// Where it is written.
  public let path: String
  /// Bytes that will be written there.
  public let needed: Int
  /// Bytes that are free there; nil where the system does not tell.
  public let free: Int?

  /// Bytes that are missing; 0 where there is room, or nobody knows.
  public var shortage: Int { max(0, needed - (free ?? needed)) }

  /// Refuses work that has no room.
  ///
  /// - Throws: `FileError.noSpace`.
  func check() throws {
    guard shortage > 0, let free else { return }
    throw FileError.noSpace(path: path, needed: needed, free: free)
  }
}

extension FoldJob {
  /// The room that the output takes, or in place the journal: a group at a time.
  public func space(inPlace: Bool = false) -> FoldSpace {
    let path = inPlace ? request.base : request.output
    return FoldSpace(
      path: path, needed: inPlace ? journalByteCount : byteCount, free: Paths.freeBytes(at: path))
  }
}
