internal import ByteIO
internal import Tensors

/// Turns a header's text into its entries, checking each on the way: nothing is kept of a header
/// with more entries than allowed.
struct SafetensorsHeaderParser {
  struct Entry {
    let info: TensorInfo
    let begin: Int
    let end: Int

    /// By the place of their data, those without any by their names.
    static func areInOrder(_ left: Entry, _ right: Entry) -> Bool {
      (left.begin, left.end, left.info.name) < (right.begin, right.end, right.info.name)
    }
  }

  let path: String
  private let limits = ReadingLimits.current
  private(set) var entries: [Entry] = []
  private(set) var metadata: [(key: String, value: String)] = []
  /// The entries by their names, in the order of the text; `metadataPosition` of the metadata.
  private(set) var positions: [TensorName: Int] = [:]
  private var current: TensorName?

  private static let metadataPosition = -1

  init(path: String) { self.path = path }

  mutating func parse(_ text: [UInt8]) throws(SafetensorsError) {
    do {
      var reader = try JSONReader(text)
      let reserved = TensorName(SafetensorsHeader.metadataKey)
      guard try reader.peek() == UInt8(ascii: "{") else { throw failure(.headerNotAnObject) }
      try reader.beginObject()
      while let key = try reader.nextKey() {
        let name = TensorName(key)
        if name == reserved {
          guard take(name, SafetensorsHeaderParser.metadataPosition) else {
            throw failure(.duplicateKey(key))
          }
          try parseMetadata(&reader)
        } else {
          current = name
          try parseEntry(name, &reader)
          current = nil
        }
      }
      try reader.finish()
      positions[reserved] = nil
    } catch let error as JSONError {
      throw failure(.json(error))
    } catch let error as SafetensorsError {
      throw error
    } catch {
      preconditionFailure("the parser throws nothing else: \(error)")
    }
  }

  private func failure(_ reason: SafetensorsError.Reason) -> SafetensorsError {
    SafetensorsError(path: path, tensor: current, reason: reason)
  }

  /// Notes where a name stands; false where it did before.
  private mutating func take(_ name: TensorName, _ position: Int) -> Bool {
    positions.updateValue(position, forKey: name) == nil
  }

  private mutating func parseMetadata(_ reader: inout JSONReader) throws {
    if try reader.peek() == UInt8(ascii: "n") {
      _ = try reader.readValue()
      return
    }
    guard try reader.peek() == UInt8(ascii: "{") else {
      throw failure(.badValue(key: SafetensorsHeader.metadataKey, expected: "an object of strings"))
    }
    var keys: Set<TensorName> = []
    var size = 0
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard try reader.peek() == UInt8(ascii: "\"") else {
        throw failure(.badValue(key: key.escapedForTerminal, expected: "a string in the metadata"))
      }
      let value = try reader.readString()
      guard keys.insert(TensorName(key)).inserted else { throw failure(.duplicateKey(key)) }
      size += key.utf8.count + value.utf8.count
      guard size <= limits.metadataBytes else {
        throw failure(.metadataTooLarge(limit: limits.metadataBytes))
      }
      metadata.append((key, value))
    }
  }

  private mutating func parseEntry(_ name: TensorName, _ reader: inout JSONReader) throws {
    let key = name.string
    guard key.utf8.count <= SafetensorsHeader.maximumNameSize else {
      current = SafetensorsHeader.shortened(key)
      throw failure(
        .nameTooLong(found: key.utf8.count, limit: SafetensorsHeader.maximumNameSize))
    }
    guard entries.count < limits.tensors else {
      throw failure(.tooManyTensors(limit: limits.tensors))
    }
    guard take(name, entries.count) else { throw failure(.duplicateKey(key)) }
    guard try reader.peek() == UInt8(ascii: "{") else {
      throw failure(.badValue(key: key.escapedForTerminal, expected: "an object"))
    }
    var others: Set<TensorName> = []
    var dtype: DType?
    var shape: [Int]?
    var offsets: [Int]?
    try reader.beginObject()
    while let field = try reader.nextKey() {
      switch field {
      case "dtype":
        guard dtype == nil else { throw failure(.duplicateKey(field)) }
        dtype = try parseDType(&reader)
      case "shape":
        guard shape == nil else { throw failure(.duplicateKey(field)) }
        shape = try parseIntegers(field, &reader, limit: TensorInfo.maximumRank) {
          .info(.tooManyDimensions(found: $0))
        }
      case "data_offsets":
        guard offsets == nil else { throw failure(.duplicateKey(field)) }
        offsets = try parseIntegers(field, &reader, limit: 2) { _ in
          .badValue(key: field, expected: "two whole numbers")
        }
      default:
        guard others.insert(TensorName(field)).inserted else { throw failure(.duplicateKey(field)) }
        _ = try reader.readValue()  // passed over, as the reference does
      }
    }
    guard let dtype else { throw failure(.missingKey("dtype")) }
    guard let shape else { throw failure(.missingKey("shape")) }
    guard let offsets else { throw failure(.missingKey("data_offsets")) }
    guard offsets.count == 2 else {
      throw failure(.badValue(key: "data_offsets", expected: "two whole numbers"))
    }
    let info: TensorInfo
    do {
      info = try TensorInfo(name: name, dtype: dtype, shape: shape)
    } catch {
      throw failure(.info(error))
    }
    guard offsets[0] <= offsets[1] else {
      throw failure(.offsetsReversed(begin: offsets[0], end: offsets[1]))
    }
    guard offsets[1] - offsets[0] == info.byteCount else {
      throw failure(.wrongSize(found: offsets[1] - offsets[0], expected: info.byteCount))
    }
    entries.append(Entry(info: info, begin: offsets[0], end: offsets[1]))
  }

  private func parseDType(_ reader: inout JSONReader) throws -> DType {
    guard try reader.peek() == UInt8(ascii: "\"") else {
      throw failure(.badValue(key: "dtype", expected: "a string"))
    }
    let name = try reader.readString()
    guard let dtype = DType(rawValue: name) else { throw failure(.unknownDType(found: name)) }
    return dtype
  }

  /// Whole numbers from 0 on, at most `limit` of them: only digits, no sign, fraction or exponent.
  private func parseIntegers(
    _ key: String, _ reader: inout JSONReader, limit: Int,
    tooMany: (Int) -> SafetensorsError.Reason
  ) throws -> [Int] {
    let expected = "an array of whole numbers from 0 on"
    guard try reader.peek() == UInt8(ascii: "[") else {
      throw failure(.badValue(key: key, expected: expected))
    }
    var values: [Int] = []
    values.reserveCapacity(2)
    try reader.beginArray()
    while try reader.nextElement() {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(try reader.peek()),
        let value = try reader.readDigits() ?? reader.readNumber().integer
      else { throw failure(.badValue(key: key, expected: expected)) }
      guard values.count < limit else { throw failure(tooMany(values.count + 1)) }
      values.append(value)
    }
    return values
  }
}
