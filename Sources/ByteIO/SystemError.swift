public import Tensors

/// A failed call into the operating system: what was tried, on which path, and its errno.
public struct SystemError: DiagnosableError, Equatable {
  /// What was tried, as a verb: "open", "write".
  public let operation: String
  /// The file or folder concerned.
  public let path: String
  /// The value of errno.
  public let code: Int32

  /// Describes a failure.
  public init(operation: String, path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  /// Always a resource failure, except a path that is not there, which is bad input.
  public var failureKind: FailureKind {
    SystemCalls.meansAbsent(code) ? .badData : .resource
  }

  /// `path: can't open: No such file or directory`
  public var description: String {
    "\(path.escapedForTerminal): can't \(operation): \(SystemCalls.message(of: code))"
  }

  /// The failure of the call that just returned.
  static func current(_ operation: String, _ path: String) -> SystemError {
    SystemError(operation: operation, path: path, code: SystemCalls.lastError)
  }
}

/// A condition on files that the operating system does not check.
public enum FileError: DiagnosableError, Equatable {
  /// A folder, FIFO, socket or device where a regular file is needed.
  case notARegularFile(path: String)
  /// The output exists and may not be replaced.
  case exists(path: String)
  /// The output is one of the inputs.
  case outputIsInput(path: String, input: String)
  /// The output would lie in a folder that is read.
  case insideInput(path: String, input: String)
  /// A file is in the place of a folder that is to be written.
  case notAFolder(path: String)
  /// A folder that is to be replaced holds other files than the new one will.
  case foreignFiles(path: String, names: [String])
  /// The file ended before the bytes that its header promised: someone shortened it.
  case endedEarly(path: String, offset: Int, missing: Int)
  /// Someone wrote to the file while it was read, or replaced it.
  case changed(path: String)
  /// The file is larger than a reader accepts.
  case tooLarge(path: String, found: Int, limit: Int)
  /// A JSON file beyond `ReadingLimits.headerBytes`.
  case jsonTooLarge(path: String, found: Int, limit: Int)
  /// Fewer bytes are free on the disk than the output needs.
  case noSpace(path: String, needed: Int, free: Int)
  /// The written file has another size than its layout.
  case wrongSize(path: String, found: Int, expected: Int)
  /// What was read back is not what was written.
  case damaged(path: String, offset: Int)
  /// A link, or a file with several names, that is to be changed in place.
  case hasOtherNames(path: String)
  /// Another process is changing the file.
  case inUse(path: String)

  /// Content problems are bad data, the others resources.
  public var failureKind: FailureKind {
    switch self {
    case .notARegularFile, .tooLarge, .jsonTooLarge, .endedEarly, .changed: .badData
    case .exists, .insideInput, .notAFolder, .outputIsInput, .foreignFiles, .hasOtherNames: .usage
    case .noSpace, .wrongSize, .damaged, .inUse: .resource
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .notARegularFile(let path):
      "\(path.escapedForTerminal): not a regular file"
    case .exists(let path):
      "\(path.escapedForTerminal): exists already; name another output or pass --force"
    case .insideInput(let path, let input):
      "\(path.escapedForTerminal): lies in the input \(input.escapedForTerminal); name an output "
        + "elsewhere"
    case .notAFolder(let path):
      "\(path.escapedForTerminal): is no folder, and the output is one; name another output"
    case .outputIsInput(let path, let input):
      "\(path.escapedForTerminal): is the input \(input.escapedForTerminal); name another output"
    case .foreignFiles(let path, let names):
      "\(path.escapedForTerminal): holds files that would be lost if it were replaced "
        + "(found \(names.prefix(3).map { "'\($0.escapedForTerminal)'" }.joined(separator: ", "))"
        + "\(names.count > 3 ? ", …" : "")); name another output"
    case .endedEarly(let path, let offset, let missing):
      "\(path.escapedForTerminal): the file ended while it was read (at byte \(offset), "
        + "\(missing) more expected); was it replaced meanwhile?"
    case .changed(let path):
      "\(path.escapedForTerminal): the file was changed while it was read; wait until nobody writes "
        + "to it, and run the command again"
    case .tooLarge(let path, let found, let limit):
      "\(path.escapedForTerminal): file too large for what it should be "
        + "(found \(found) bytes, expected at most \(limit))"
    case .jsonTooLarge(let path, let found, let limit):
      "\(path.escapedForTerminal): file too large for the JSON that it should be "
        + "(found \(found) bytes, expected at most \(limit)); --max-header accepts more"
    case .noSpace(let path, let needed, let free):
      "\(path.escapedForTerminal): not enough free disk space "
        + "(found \(free) bytes, expected \(needed)); free some or write elsewhere"
    case .wrongSize(let path, let found, let expected):
      "\(path.escapedForTerminal): wrong size after writing (found \(found), expected \(expected)); "
        + "the disk or file system lost data"
    case .hasOtherNames(let path):
      "\(path.escapedForTerminal): is a link or has other names, under which it would change too; "
        + "name a copy of it, or write a new file"
    case .inUse(let path):
      "\(path.escapedForTerminal): another process is changing it; wait until it is done"
    case .damaged(let path, let offset):
      "\(path.escapedForTerminal): reads back differently from what was written "
        + "(at byte \(offset)); the disk or file system damaged it"
    }
  }
}
