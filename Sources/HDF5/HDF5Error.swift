public import Tensors

/// Why an HDF5 file can't be read or written.
public struct HDF5Error: DiagnosableError, Equatable {
  /// The file.
  public let path: String
  /// The object concerned, where one is: "dataset '/blocks/x/lora_A'", names not yet escaped.
  public let object: HDF5Object?
  /// What is wrong.
  public let reason: Reason

  /// Describes a failure.
  public init(path: String, object: HDF5Object? = nil, reason: Reason) {
    self.path = path
    self.object = object
    self.reason = reason
  }

  /// Content problems are bad data; what the machine lacks is a resource.
  public var failureKind: FailureKind {
    switch reason {
    case .libraryMissing, .libraryVersion, .libraryUnusable, .writing, .workerNotStarted,
      .workerFailed:
      .resource
    default: .badData
    }
  }

  /// `path: dataset '/x': reason (found N, expected M)`
  public var description: String {
    "\(path.escapedForTerminal)\(object.map { ": \($0)" } ?? ""): \(reason)"
  }
}

/// An object of an HDF5 file, as errors name it.
public enum HDF5Object: Hashable, Sendable, CustomStringConvertible {
  /// An object of a kind that is not known yet, and its path in the file.
  case object(String)
  /// A group and its path.
  case group(String)
  /// A dataset and its path.
  case dataset(String)
  /// An attribute and the path of the object that has it.
  case attribute(String, of: String)

  /// `dataset '/blocks/x/lora_A'`, control characters escaped.
  public var description: String {
    switch self {
    case .object(let path): "object '\(path.escapedForTerminal)'"
    case .group(let path): "group '\(path.escapedForTerminal)'"
    case .dataset(let path): "dataset '\(path.escapedForTerminal)'"
    case .attribute(let name, let path):
      "attribute '\(name.escapedForTerminal)' of '\(path.escapedForTerminal)'"
    }
  }
}

extension HDF5Error {
  /// What can be wrong.
  public enum Reason: Equatable, Sendable {
    // MARK: The library
    /// libhdf5 is not installed; what the loader said.
    case libraryMissing(String)
    /// Another version of libhdf5 than this program was built for.
    case libraryVersion(found: String, expected: String)
    /// libhdf5 lacks a function or does not start.
    case libraryUnusable(String)
    /// The library refuses the file, with what it did and its own words.
    case library(operation: String, text: String)
    /// Writing failed in the library, with its own words.
    case writing(operation: String, text: String)

    // MARK: The process that lists a file
    /// The library died of a signal while it read the file.
    case workerCrashed(signal: Int)
    /// Listing took longer than the limit.
    case workerTimedOut(seconds: Int)
    /// Listing took more processor time than the limit.
    case workerProcessorTime(seconds: Int)
    /// Listing took more memory than the limit.
    case workerMemory(limit: Int)
    /// The process did not start; what the operating system said.
    case workerNotStarted(String)
    /// The process ended without a result.
    case workerFailed(status: Int)
    /// Its message can't be.
    case workerMessage(String)

    // MARK: The file
    /// It does not begin with the signature of HDF5.
    case notHDF5
    /// More of something than a reader accepts.
    case tooMany(what: String, limit: Int)
    /// An object of a kind that is not read.
    case unsupported(String)
    /// An object is not what the place needs.
    case wrongKind(found: String, expected: String)
    /// A structure of the file contradicts itself.
    case damaged(String)
    /// Something reaches beyond the end of the file.
    case beyondFile(what: String, offset: UInt64, count: UInt64, size: Int)
    /// A chunk does not decode.
    case chunk(offset: [Int], String)
    /// More bytes of elements were never written than anyone may ask memory for.
    case neverWritten(found: Int, limit: Int)
    /// The shape can't be.
    case info(TensorInfoError)
  }
}

extension HDF5Error.Reason: CustomStringConvertible {
  /// The reason in words.
  public var description: String {
    switch self {
    case .libraryMissing(let text):
      "the HDF5 library is not installed (\(text.escapedForTerminal)); install "
        + HDF5Error.Reason.packageToInstall
    case .libraryVersion(let found, let expected):
      "the installed HDF5 library has another version than this program was built for "
        + "(found \(found.escapedForTerminal), expected \(expected)); build it anew"
    case .libraryUnusable(let text):
      "the installed HDF5 library can't be used: \(text.escapedForTerminal)"
    case .library(let operation, let text):
      "the HDF5 library can't \(operation.escapedForTerminal): \(text.escapedForTerminal)"
    case .writing(let operation, let text):
      "can't \(operation): \(text.escapedForTerminal)"
    case .workerCrashed(let signal):
      "the HDF5 library crashed (signal \(signal)) reading this file; it is damaged or malicious"
    case .workerTimedOut(let seconds):
      "the HDF5 library took longer than \(seconds) s to list this file; "
        + "it is damaged, malicious or large (--hdf5-time waits longer)"
    case .workerProcessorTime(let seconds):
      "the HDF5 library took more than \(seconds) s of processor time to list this file; "
        + "it is damaged, malicious or large (--hdf5-time waits longer)"
    case .workerMemory(let limit):
      "the HDF5 library needs more than \(limit >> 20) MiB of memory to list this file; "
        + "it is damaged, malicious or large (--hdf5-memory allows more)"
    case .workerNotStarted(let text):
      "the process that reads HDF5 files did not start: \(text.escapedForTerminal)"
    case .workerFailed(let status):
      "the process that reads HDF5 files ended without a result (status \(status))"
    case .workerMessage(let text):
      "the process that reads HDF5 files sent nonsense: \(text.escapedForTerminal)"
    case .notHDF5:
      "not an HDF5 file: it does not begin with the signature of HDF5"
    case .tooMany(let what, let limit):
      "too many \(what.escapedForTerminal) (expected at most \(limit))"
    case .unsupported(let what): "is not supported: \(what.escapedForTerminal)"
    case .wrongKind(let found, let expected):
      "is of the wrong kind (found \(found.escapedForTerminal), expected \(expected))"
    case .damaged(let text): "damaged: \(text.escapedForTerminal)"
    case .beyondFile(let what, let offset, let count, let size):
      "\(what) reaches beyond the file (found offset \(offset) and \(count) bytes, "
        + "expected at most \(size) bytes)"
    case .chunk(let offset, let text):
      "chunk at \(offset): \(text.escapedForTerminal)"
    case .neverWritten(let found, let limit):
      "most of it was never written (found \(found) bytes of that, expected at most \(limit))"
    case .info(let error): "\(error)"
    }
  }

  #if canImport(Darwin)
    static let packageToInstall = "it with 'brew install hdf5'"
  #else
    static let packageToInstall = "the package libhdf5-103-1, or what your system calls it"
  #endif
}
