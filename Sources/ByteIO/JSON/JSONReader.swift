/// Reads strict JSON (RFC 8259) token by token, so that a huge text needs no tree.
///
/// Stricter than most: no byte-order mark, no duplicate keys in `readValue`, no lone surrogates, no
/// trailing commas, numbers kept as their text. Callers walk with `beginObject`, `nextKey`,
/// `beginArray`, `nextElement` and the `read` functions; `finish` checks that nothing follows.
public struct JSONReader {
  /// Levels of nesting accepted by default.
  public static let defaultDepth = 16

  private let text: [UInt8]
  private(set) var position: Int
  private let maximumDepth: Int
  private var depth = 0
  private var isFirst = false
  private var valueCount = 0

  /// Starts before the first token.
  ///
  /// - Throws: `JSONError` for a byte-order mark or UTF-16.
  public init(_ text: [UInt8], maximumDepth: Int = defaultDepth) throws(JSONError) {
    self.text = text
    self.maximumDepth = maximumDepth
    position = 0
    if text.starts(with: [0xef, 0xbb, 0xbf]) || text.starts(with: [0xff, 0xfe])
      || text.starts(with: [0xfe, 0xff]) || (text.count > 1 && (text[0] == 0 || text[1] == 0))
    {
      throw error(.byteOrderMark)
    }
  }

  // MARK: Structure

  /// Enters an object.
  public mutating func beginObject() throws(JSONError) { try begin(UInt8(ascii: "{"), "'{'") }

  /// Enters an array.
  public mutating func beginArray() throws(JSONError) { try begin(UInt8(ascii: "["), "'['") }

  /// The next key of the object, its value up next; nil at the object's end, which is left.
  public mutating func nextKey() throws(JSONError) -> String? {
    guard try next(closing: UInt8(ascii: "}"), "',' or '}'") else { return nil }
    let key = try readString()
    skipSpace()
    try expect(UInt8(ascii: ":"), "':'")
    return key
  }

  /// Whether another element of the array is up next; false at the array's end, which is left.
  public mutating func nextElement() throws(JSONError) -> Bool {
    try next(closing: UInt8(ascii: "]"), "',' or ']'")
  }

  /// Checks that only white space is left.
  public mutating func finish() throws(JSONError) {
    skipSpace()
    guard position == text.count else { throw error(.trailingText) }
  }

  /// The first byte of the next token, without taking it.
  public mutating func peek() throws(JSONError) -> UInt8 {
    skipSpace()
    guard position < text.count else { throw error(.unexpectedEnd) }
    return text[position]
  }

  // MARK: Values

  /// Reads a string.
  public mutating func readString() throws(JSONError) -> String {
    skipSpace()
    try expect(UInt8(ascii: "\""), "a string")
    let start = position
    while position < text.count, text[position] != UInt8(ascii: "\"") {
      let byte = text[position]
      if byte == UInt8(ascii: "\\") { return try readEscapedString(from: start) }
      guard byte >= 0x20 else { throw error(.badString) }
      position += 1
    }
    guard position < text.count else { throw error(.unexpectedEnd) }
    let string = try utf8(text[start..<position], at: start)
    position += 1
    return string
  }

  /// Reads a number as its text.
  public mutating func readNumber() throws(JSONError) -> JSONNumber {
    skipSpace()
    let start = position
    func digit(_ offset: Int) -> Bool {
      offset < text.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[offset])
    }
    func digits() throws(JSONError) {
      guard digit(position) else { throw error(.badNumber) }
      while digit(position) { position += 1 }
    }
    guard position < text.count else { throw error(.unexpectedEnd) }
    guard text[position] == UInt8(ascii: "-") || digit(position) else {
      throw error(.unexpected(expected: "a number"))
    }
    if text[position] == UInt8(ascii: "-") { position += 1 }
    if digit(position), text[position] == UInt8(ascii: "0"), digit(position + 1) {
      throw error(.badNumber)
    }
    try digits()
    if position < text.count, text[position] == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < text.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(text[position]) {
        position += 1
      }
      try digits()
    }
    return JSONNumber(text: String(decoding: text[start..<position], as: UTF8.self))
  }

  /// Reads a number that is written in digits alone and fits; nil, with nothing read, for any other.
  package mutating func readDigits() -> Int? {
    skipSpace()
    var (end, value) = (position, 0)
    while end < text.count {
      let digit = text[end] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = shifted.addingReportingOverflow(Int(digit))
      guard !overflow, !carry else { return nil }
      value = sum
      end += 1
    }
    let isBare = end == text.count || ![0x2e, 0x45, 0x65].contains(text[end])
    guard end > position, isBare, end == position + 1 || text[position] != UInt8(ascii: "0") else {
      return nil
    }
    position = end
    return value
  }

  /// Reads any value into a tree; refuses objects with a key twice, and more values in all than
  /// `ReadingLimits` allow.
  public mutating func readValue() throws(JSONError) -> JSONValue {
    let limit = ReadingLimits.current.jsonValues
    return try readValue(limit: limit)
  }

  private mutating func readValue(limit: Int) throws(JSONError) -> JSONValue {
    valueCount += 1
    guard valueCount <= limit else { throw error(.tooManyValues(limit: limit)) }
    switch try peek() {
    case UInt8(ascii: "{"):
      try beginObject()
      var object = JSONObject()
      while let key = try nextKey() {
        let value = try readValue(limit: limit)
        guard object.append(key, value) else { throw error(.duplicateKey(key)) }
      }
      return .object(object)
    case UInt8(ascii: "["):
      try beginArray()
      var elements: [JSONValue] = []
      while try nextElement() { elements.append(try readValue(limit: limit)) }
      return .array(elements)
    case UInt8(ascii: "\""): return .string(try readString())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return .number(try readNumber())
    default: throw error(.unexpected(expected: "a value"))
    }
  }

  // MARK: Scanning

  /// An error at the place that was come to.
  package func error(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: position)
  }

  private mutating func skipSpace() {
    while position < text.count {
      switch text[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }

  private mutating func expect(_ byte: UInt8, _ name: String) throws(JSONError) {
    guard position < text.count else { throw error(.unexpectedEnd) }
    guard text[position] == byte else { throw error(.unexpected(expected: name)) }
    position += 1
  }

  private mutating func begin(_ byte: UInt8, _ name: String) throws(JSONError) {
    skipSpace()
    try expect(byte, name)
    depth += 1
    guard depth <= maximumDepth else { throw error(.tooDeep(limit: maximumDepth)) }
    isFirst = true
  }

  private mutating func next(closing: UInt8, _ name: String) throws(JSONError) -> Bool {
    skipSpace()
    guard position < text.count else { throw error(.unexpectedEnd) }
    defer { isFirst = false }
    if text[position] == closing {
      position += 1
      depth -= 1
      return false
    }
    if !isFirst { try expect(UInt8(ascii: ","), name) }
    return true
  }

  private mutating func literal(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard text[position...].starts(with: word.utf8) else {
      throw error(.unexpected(expected: "a value"))
    }
    position += word.utf8.count
    return value
  }

  private func utf8(_ bytes: some Sequence<UInt8>, at start: Int) throws(JSONError) -> String {
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw JSONError(reason: .notUTF8, offset: start)
    }
    return string
  }

  /// Reads a string that has escapes, `position` at the first of them.
  private mutating func readEscapedString(from start: Int) throws(JSONError) -> String {
    var bytes = Array(text[start..<position])
    while true {
      guard position < text.count else { throw error(.unexpectedEnd) }
      let byte = text[position]
      guard byte >= 0x20 else { throw error(.badString) }
      position += 1
      if byte == UInt8(ascii: "\"") { break }
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      guard position < text.count else { throw error(.unexpectedEnd) }
      let escape = text[position]
      position += 1
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(escape)
      case UInt8(ascii: "b"): bytes.append(0x08)
      case UInt8(ascii: "f"): bytes.append(0x0c)
      case UInt8(ascii: "n"): bytes.append(0x0a)
      case UInt8(ascii: "r"): bytes.append(0x0d)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "u"): bytes += UTF8.encode(try readEscapedScalar()) ?? .init()
      default: throw error(.badString)
      }
    }
    return try utf8(bytes, at: start)
  }

  private mutating func readEscapedScalar() throws(JSONError) -> Unicode.Scalar {
    let unit = try readHexUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    guard unit < 0xdc00, text[position...].starts(with: #"\u"#.utf8) else { throw error(.notUTF8) }
    position += 2
    let low = try readHexUnit()
    guard (0xdc00..<0xe000).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (UInt32(unit - 0xd800) << 10) + UInt32(low - 0xdc00))
    else { throw error(.notUTF8) }
    return scalar
  }

  private mutating func readHexUnit() throws(JSONError) -> UInt16 {
    guard text.count - position >= 4 else { throw error(.unexpectedEnd) }
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(text[position])).hexDigitValue else {
        throw error(.badString)
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
