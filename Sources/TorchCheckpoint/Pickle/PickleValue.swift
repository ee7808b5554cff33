/// A value that a pickle builds.
///
/// Containers are positions in a `PickleHeap`, so that values that hold themselves, are shared or
/// nest deeply cost nothing and need no recursion.
package enum PickleValue: Sendable, Equatable {
  /// Python's `None`.
  case none
  /// A boolean.
  case boolean(Bool)
  /// An integer of 64 bits.
  case integer(Int)
  /// An integer that needs more than 64 bits; its value is of no use here.
  case largeInteger
  /// A floating-point number.
  case real(Double)
  /// Text.
  case string(String)
  /// A list, by its position in the heap.
  case list(Int)
  /// A tuple, or a `torch.Size`.
  case tuple(Int)
  /// A dictionary; keys and values alternate in its container.
  case dictionary(Int)
  /// An `OrderedDict`.
  case orderedDictionary(Int)
  /// A set; it is always empty, for nothing that fills one is allowed.
  case set
  /// An allowed class or function.
  indirect case global(PickleGlobal)
  /// A storage, by its position in the heap.
  case storage(Int)
  /// A tensor, by its position in the heap.
  case tensor(Int)

  /// What the value is, in Python's words.
  package var kind: String {
    switch self {
    case .none: "None"
    case .boolean: "bool"
    case .integer, .largeInteger: "int"
    case .real: "float"
    case .string: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .orderedDictionary: "OrderedDict"
    case .set: "set"
    case .global(let global): global.name
    case .storage: "storage"
    case .tensor: "tensor"
    }
  }

  /// The container of a dictionary of either kind.
  package var dictionaryIndex: Int? {
    switch self {
    case .dictionary(let index), .orderedDictionary(let index): index
    default: nil
    }
  }

  /// The position of a tensor.
  package var tensorIndex: Int? { if case .tensor(let index) = self { index } else { nil } }
}

/// A storage as a pickle names it: the entry `data/KEY` of the archive.
package struct PickleStorage: Sendable, Equatable {
  /// The key.
  package let key: String
  /// The storage class, which gives the type of the elements.
  package let type: StorageType
  /// The number of elements; of bytes where the class is untyped.
  package let count: Int
}

/// A tensor as a pickle describes it, nothing of it checked yet.
package struct PickleTensor: Sendable, Equatable {
  /// The position of the storage in the heap.
  package let storage: Int
  /// The element type, where the tensor brings one along for an untyped storage.
  package let type: StorageType?
  /// The element of the storage that the tensor begins at.
  package let offset: Int
  /// The tuple of its extents.
  package let shape: Int
  /// The tuple of its strides, in elements.
  package let strides: Int
  /// Whether it is stored conjugated or negated, to be undone when it is loaded.
  package let isTransformed: Bool
}

/// Where the containers, storages and tensors of a pickle live.
package struct PickleHeap: Sendable {
  /// The elements of each list, tuple and dictionary.
  package var containers: [[PickleValue]] = []
  /// The storages in the order they are named.
  package var storages: [PickleStorage] = []
  /// The tensors in the order they are made.
  package var tensors: [PickleTensor] = []

  /// The integers of a container; nil where it holds anything else, or more than `limit`.
  package func integers(of container: Int, limit: Int) -> [Int]? {
    guard containers[container].count <= limit else { return nil }
    var integers: [Int] = []
    for element in containers[container] {
      guard case .integer(let integer) = element else { return nil }
      integers.append(integer)
    }
    return integers
  }
}
