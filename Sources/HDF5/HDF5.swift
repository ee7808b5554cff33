public import ByteIO
public import Tensors

/// How HDF5 files are listed.
public enum HDF5Reading: Sendable {
  /// By this process, which a damaged file may crash.
  case inProcess
  /// By another process of the named executable.
  case isolated(executable: String)
}

/// HDF5, which this version recognises and does not read or write yet.
public struct HDF5NotYet: DiagnosableError {
  /// The file.
  public let path: String

  /// Names the file.
  public init(path: String) { self.path = path }

  /// A file of this kind can't be taken.
  public var failureKind: FailureKind { .badData }
  /// One line for the user.
  public var description: String {
    "\(path.escapedForTerminal): HDF5 is not read or written yet; use safetensors or .reslora"
  }
}

/// An HDF5 file.
public final class HDF5File: Sendable {
  /// Whether a file begins as HDF5 files do.
  public static func isHDF5(prefix: some Sequence<UInt8>) -> Bool {
    prefix.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a])
  }

  /// - Throws: `HDF5NotYet`.
  public init(file: ReadableFile, reading: HDF5Reading) throws { throw HDF5NotYet(path: file.path) }
}
