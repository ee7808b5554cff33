/// What is counted in a pickle.
public enum PickleQuantity: String, Sendable {
  /// Its length.
  case bytes
  /// Operations carried out.
  case operations
  /// Values and marks on the stack.
  case stackEntries = "stack entries"
  /// Values kept for later.
  case memoEntries = "memo entries"
  /// Lists, tuples and dictionaries.
  case containers
  /// Storages named.
  case storages
  /// Tensors made.
  case tensors
  /// Bytes of one name.
  case nameBytes = "bytes in a name"

  /// The option of the command line that sets its limit.
  var option: String? {
    switch self {
    case .bytes, .operations, .stackEntries, .memoEntries, .containers: "--max-pickle"
    case .storages, .tensors: "--max-tensors"
    case .nameBytes: nil
    }
  }
}
