internal import ByteIO
internal import Tensors

/// A strict JSON object read from a file, with the checks that its readers share.
struct SidecarFile {
  let path: String
  let object: JSONObject

  init(path: String) throws {
    try self.init(path: path, text: ReadableFile.json(at: path))
  }

  init(path: String, text: [UInt8]) throws(SidecarError) {
    self.path = path
    do {
      guard let object = try JSONValue(parsing: text).object else {
        throw SidecarError(path: path, reason: .notAnObject)
      }
      self.object = object
    } catch let error as JSONError {
      throw SidecarError(path: path, reason: .json(error))
    } catch let error as SidecarError {
      throw error
    } catch {
      preconditionFailure("parsing throws nothing else: \(error)")
    }
  }

  init(path: String, object: JSONObject) {
    self.path = path
    self.object = object
  }

  func failure(_ reason: SidecarError.Reason) -> SidecarError {
    SidecarError(path: path, reason: reason)
  }

  func badValue(_ key: String, expected: String) -> SidecarError {
    let found = object[key]?.serialized() ?? "nothing"
    let shown = found.count > 60 ? "\(found.prefix(60))…" : found
    return failure(.badValue(key: key, found: shown, expected: expected))
  }

  /// An integer in a range, or nil where the key is absent or null.
  func integer(_ key: String, in range: ClosedRange<Int>) throws(SidecarError) -> Int? {
    guard let value = object[key], !value.isNull else { return nil }
    guard let integer = value.number?.integer, range.contains(integer) else {
      throw badValue(
        key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// A finite number, or nil where the key is absent or null.
  func number(_ key: String) throws(SidecarError) -> Double? {
    guard let value = object[key], !value.isNull else { return nil }
    guard let number = value.number?.double, number.isFinite else {
      throw badValue(key, expected: "a finite number")
    }
    return number
  }

  /// A boolean, `fallback` where the key is absent or null.
  func flag(_ key: String, default fallback: Bool = false) throws(SidecarError) -> Bool {
    guard let value = object[key], !value.isNull else { return fallback }
    guard let flag = value.bool else { throw badValue(key, expected: "true or false") }
    return flag
  }

  /// A string, or nil where the key is absent or null.
  func string(_ key: String) throws(SidecarError) -> String? {
    guard let value = object[key], !value.isNull else { return nil }
    guard let string = value.string else { throw badValue(key, expected: "a string") }
    return string
  }

  /// What a value of fixed words says, or nil where the key is absent or null.
  func word<Word: RawRepresentable<String> & CaseIterable>(
    _ key: String, as type: Word.Type
  ) throws(SidecarError) -> Word? {
    guard let text = try string(key) else { return nil }
    guard let word = Word(rawValue: text) else {
      throw badValue(
        key, expected: Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "))
    }
    return word
  }
}
