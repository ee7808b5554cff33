/// Why a pickle is refused.
///
/// Nothing in a pickle is ever executed; what asks for it is named.
public enum PickleProblem: Error, Equatable, Sendable, CustomStringConvertible {
  /// A class or function other than those that build tensors and plain values.
  case forbiddenGlobal(String)
  /// An allowed module, but a name with dots: a way from an allowed object to others.
  case attributeChain(String)
  /// An operation that building tensors does not need.
  case refusedOpcode(String, offset: Int)
  /// A byte that is no operation.
  case unknownOpcode(UInt8, offset: Int)
  /// A protocol newer than 5.
  case unsupportedProtocol(found: Int, limit: Int)
  /// The pickle ends inside an operation.
  case endedEarly(opcode: String, offset: Int)
  /// The pickle ends without saying so.
  case noStop
  /// An operation takes more from the stack than there is, or needs a mark that is not there.
  case stackUnderflow(opcode: String, offset: Int)
  /// An operation on a value of the wrong kind.
  case wrongOperand(opcode: String, found: String, expected: String)
  /// A function called with arguments it does not take.
  case badArguments(function: String, expected: String)
  /// A memo entry that was never stored.
  case missingMemo(index: Int)
  /// A memo index that no pickle of this size needs.
  case memoIndexTooLarge(found: Int, limit: Int)
  /// More bytes, operations, stack or memo entries, containers, storages or tensors than a reader
  /// accepts.
  case tooMany(PickleQuantity, limit: Int)
  /// Text that is not UTF-8.
  case notUTF8(offset: Int)

  /// The reason in words.
  public var description: String {
    switch self {
    case .forbiddenGlobal(let name):
      "pickle asks for \(name.quotedForMessage); nothing is executed, and only plain tensors are "
        + "read; re-save the tensors with safetensors"
    case .attributeChain(let name):
      "pickle asks for an attribute of an attribute, \(name.quotedForMessage); nothing is executed; "
        + "re-save the tensors with safetensors"
    case .refusedOpcode(let name, let offset):
      "pickle uses the operation \(name), which plain tensors don't need (at byte \(offset)); "
        + "nothing is executed; re-save the tensors with safetensors"
    case .unknownOpcode(let code, let offset):
      "pickle damaged: no operation (found \(code.hexadecimal) at byte \(offset))"
    case .unsupportedProtocol(let found, let limit):
      "unsupported pickle protocol (found \(found), expected at most \(limit))"
    case .endedEarly(let opcode, let offset):
      "pickle cut short inside \(opcode) (at byte \(offset))"
    case .noStop: "pickle cut short: no STOP at its end"
    case .stackUnderflow(let opcode, let offset):
      "pickle damaged: \(opcode) without enough values (at byte \(offset))"
    case .wrongOperand(let opcode, let found, let expected):
      "pickle damaged: \(opcode) on the wrong kind of value (found \(found), expected \(expected))"
    case .badArguments(let function, let expected):
      "pickle damaged: wrong arguments for \(function) (expected \(expected))"
    case .missingMemo(let index): "pickle damaged: nothing stored under memo index \(index)"
    case .memoIndexTooLarge(let found, let limit):
      "memo index of the pickle too large (found \(found), expected at most \(limit))"
    case .tooMany(let things, let limit):
      "pickle has too many \(things.rawValue) (expected at most \(limit))"
        + (things.option.map { "; a larger \($0) accepts more" } ?? "")
    case .notUTF8(let offset): "pickle holds text that is not UTF-8 (at byte \(offset))"
    }
  }
}
