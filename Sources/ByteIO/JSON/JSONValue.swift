internal import Tensors

/// A JSON text as a tree; objects keep the order of their keys.
public enum JSONValue: Sendable, Equatable {
  /// `null`
  case null
  /// `true` or `false`
  case bool(Bool)
  /// A number, by its text.
  case number(JSONNumber)
  /// A string.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object.
  case object(JSONObject)

  /// Parses a whole text.
  public init(parsing text: [UInt8], maximumDepth: Int = JSONReader.defaultDepth)
    throws(JSONError)
  {
    var reader = try JSONReader(text, maximumDepth: maximumDepth)
    self = try reader.readValue()
    try reader.finish()
  }

  /// The value of a string.
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  /// The value of a boolean.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The elements of an array.
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  /// The members of an object.
  public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
  /// The value of a number.
  public var number: JSONNumber? { if case .number(let value) = self { value } else { nil } }
  /// Whether this is `null`.
  public var isNull: Bool { self == .null }

  /// Equal trees: strings by their bytes, numbers by their text, members in equal order.
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): TensorName(left) == TensorName(right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }
}

/// A JSON number, by its text, so that no digit is lost before the reader knows what it should be.
public struct JSONNumber: Sendable, Equatable {
  /// The text as it stands.
  public let text: String

  /// Wraps the text of a number.
  init(text: String) { self.text = text }

  /// The value, where it is written as an integer that fits: `1.0` and `1e2` are not.
  public var integer: Int? { Int(text) }

  /// The nearest float64.
  public var double: Double? { Double(text) }
}

/// The members of a JSON object in order, keys compared by their bytes.
public struct JSONObject: Sendable, Equatable {
  /// Keys and values in order.
  public private(set) var members: [(key: String, value: JSONValue)] = []
  /// Where each key is; empty while the members are few, which a text may have millions of.
  private var positions: [TensorName: Int] = [:]
  private static let few = 8

  /// An object without members.
  public init() {}

  /// Adds a member; false where the key is taken.
  public mutating func append(_ key: String, _ value: JSONValue) -> Bool {
    guard position(of: key) == nil else { return false }
    if members.count == JSONObject.few {
      for (position, member) in members.enumerated() {
        positions[TensorName(member.key)] = position
      }
    }
    if members.count >= JSONObject.few { positions[TensorName(key)] = members.count }
    members.append((key, value))
    return true
  }

  /// The value of a key.
  public subscript(key: String) -> JSONValue? { position(of: key).map { members[$0].value } }

  private func position(of key: String) -> Int? {
    let name = TensorName(key)
    return members.count > JSONObject.few
      ? positions[name] : members.firstIndex { TensorName($0.key) == name }
  }

  /// Equal members in equal order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members.elementsEqual(right.members) {
      TensorName($0.key) == TensorName($1.key) && $0.value == $1.value
    }
  }
}
