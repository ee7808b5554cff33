/// The value of an attribute.
public enum HDF5Value: Sendable, Equatable {
  /// A string, its padding removed.
  case string(String)
  /// A whole number.
  case integer(Int)
  /// A floating-point number.
  case double(Double)
  /// Whole numbers, rank 1.
  case integers([Int])
  /// Floating-point numbers, rank 1.
  case doubles([Double])
  /// Another kind, named.
  case unsupported(String)

  /// The kind in words, for messages.
  public var kind: String {
    switch self {
    case .string: "a string"
    case .integer: "a whole number"
    case .double: "a floating-point number"
    case .integers: "an array of whole numbers"
    case .doubles: "an array of floating-point numbers"
    case .unsupported(let kind): kind
    }
  }
}

/// An attribute of a group or dataset.
public struct HDF5Attribute: Sendable, Equatable {
  /// Its name.
  public let name: String
  /// Its value.
  public let value: HDF5Value

  /// Pairs a name with a value.
  public init(name: String, value: HDF5Value) {
    self.name = name
    self.value = value
  }

  /// Whether the names agree byte by byte, and the values.
  public static func == (left: HDF5Attribute, right: HDF5Attribute) -> Bool {
    left.name.utf8.elementsEqual(right.name.utf8) && left.value == right.value
  }
}
