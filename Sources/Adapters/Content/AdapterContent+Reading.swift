internal import ByteIO
internal import Tensors

extension AdapterContent {
  /// Reads a description (Adapter §2).
  ///
  /// - Parameter other: metadata that the file has beside the description, under other keys.
  /// - Returns: nil only where `check` noted what made the text unreadable.
  /// - Throws: `ContentError` where `check` throws.
  init?(
    parsing text: [UInt8], metadata other: [(key: String, value: String)] = [], path: String,
    check: RuleCheck
  ) throws {
    let parsed: JSONValue
    func failure(_ reason: ContentError.Reason) -> ContentError {
      ContentError(path: path, owner: nil, rule: "Adapter §2.1", reason: reason)
    }
    do {
      parsed = try JSONValue(parsing: text)
    } catch {
      try check.broken(failure(.json(error)))
      return nil
    }
    guard let object = parsed.object else {
      try check.broken(failure(.notAnObject))
      return nil
    }
    let fields = Fields(
      object, path: path, owner: nil, rule: "Adapter §2.1", check: check,
      known: [
        "format", "version", "structure", "root", "pre_num", "base_model", "metadata", "blocks",
      ])
    guard try fields.checkFormat(AdapterContent.format, version: AdapterContent.version) else {
      return nil
    }
    var metadata = other
    if let found = object["metadata"], !found.isNull {
      if let pairs = found.object, pairs.members.allSatisfy({ $0.value.string != nil }) {
        metadata += pairs.members.map { ($0.key, $0.value.string ?? "") }
      } else {
        try fields.broken(
          .badValue(key: "metadata", found: found.excerpt, expected: "an object of strings"))
      }
    }
    let list = object["blocks"]?.array ?? []
    if list.isEmpty {
      try fields.broken(.missing(key: "blocks", expected: "an array of at least one block"))
    }
    var blocks: [BlockContent] = []
    for (position, element) in list.enumerated() {
      guard let object = element.object else {
        try fields.broken(
          .badValue(key: "blocks", found: element.excerpt, expected: "an array of objects"))
        continue
      }
      if let block = try BlockContent(object, position: position, path: path, check: check) {
        blocks.append(block)
      }
    }
    try self.init(fields, metadata: metadata, blocks: blocks)
    // Whose tensors are whose can't be told where a block can't be read.
    if blocks.isEmpty || blocks.count < list.count { return nil }
  }
}

extension AdapterContent.BlockContent {
  /// The most pairs that can be stacked.
  static let maximumPairs = 1 << 16

  fileprivate init?(_ object: JSONObject, position: Int, path: String, check: RuleCheck) throws {
    let stated = object["name"]?.string
    let fields = Fields(
      object, path: path,
      owner: stated.map { "block '\($0.escapedForTerminal)'" } ?? "block \(position)",
      rule: "Adapter §2.2", check: check,
      known: ["name", "scaling", "previous", "pairs", "windows", "base"])
    let name = try fields.required("name", "a module's name", fields.string("name"))
    let scaling = try fields.required("scaling", "a number", fields.number("scaling"))
    let previous = try fields.string("previous")
    let pairs = try fields.integer("pairs", in: 1...Self.maximumPairs)
    var windows = NormWindows()
    if let found = object["windows"], !found.isNull {
      if let members = found.object {
        windows = try NormWindows(members, fields)
      } else {
        try fields.broken(
          .badValue(key: "windows", found: found.excerpt, expected: "an object"))
      }
    }
    var base: BaseWeight?
    if let found = object["base"], !found.isNull {
      if let members = found.object {
        base = try BaseWeight(members, fields)
      } else {
        try fields.broken(.badValue(key: "base", found: found.excerpt, expected: "an object"))
      }
    }
    guard let name, try fields.checkName(name), pairs != nil || fields.value("pairs") == nil
    else { return nil }
    self.init(
      name: TensorName(name), scaling: scaling ?? 0, previous: previous.map { TensorName($0) },
      pairs: pairs ?? 1, windows: windows, base: base)
  }
}

extension NormWindows {
  fileprivate init(_ object: JSONObject, _ owner: Fields) throws {
    let fields = owner.nested(object, known: ["input", "projection", "capacity"])
    func values(_ window: String) throws -> [Double] {
      guard let found = object[window], !found.isNull else { return [] }
      guard let list = found.array else {
        try owner.broken(
          .badNorm(window: window, found: found.excerpt), rule: "Adapter §1.5")
        return []
      }
      return try list.compactMap { element in
        if let number = element.number?.double { return number }
        try owner.broken(
          .badNorm(window: window, found: element.excerpt), rule: "Adapter §1.5")
        return nil
      }
    }
    try self.init(
      input: values("input"), projection: values("projection"),
      capacity: fields.integer("capacity", in: 1...Int.max), owner)
  }

  /// Checks windows of any format (Adapter §1.5).
  init(input: [Double], projection: [Double], capacity: Int?, _ fields: Fields) throws {
    let capacity = capacity ?? NormWindows.defaultCapacity
    let most = min(capacity, NormWindows.maximumLength)
    for (window, values) in [("input", input), ("projection", projection)] {
      for value in values where !(value.isFinite && value >= 0) {
        try fields.broken(.badNorm(window: window, found: "\(value)"), rule: "Adapter §1.5")
      }
      if values.count > most {
        try fields.broken(
          .windowTooLong(window: window, found: values.count, capacity: most),
          rule: "Adapter §1.5")
      }
    }
    self.init(
      input: NormWindow(input), projection: NormWindow(projection), capacity: capacity)
  }
}

extension BaseWeight {
  fileprivate init?(_ object: JSONObject, _ owner: Fields) throws {
    let fields = owner.nested(
      object, known: ["tensor", "dtype", "shape", "sha256", "statistics"])
    var statistics: (squaredNorm: Double, cross: [(TensorName, Double)])?
    if let found = object["statistics"], !found.isNull {
      if let members = found.object {
        statistics = try BaseWeight.statistics(members, owner)
      } else {
        try owner.broken(
          .badValue(key: "statistics", found: found.excerpt, expected: "an object"))
      }
    }
    try self.init(fields, statistics: statistics)
  }

  private static func statistics(
    _ object: JSONObject, _ owner: Fields
  ) throws -> (squaredNorm: Double, cross: [(TensorName, Double)])? {
    let fields = owner.nested(object, known: ["squared_norm", "cross"])
    let squaredNorm = try fields.required(
      "squared_norm", "a number from 0 on", fields.number("squared_norm"))
    guard let members = object["cross"]?.object else {
      try owner.broken(.missing(key: "cross", expected: "an object of numbers"))
      return nil
    }
    let numbers = owner.nested(members, known: nil)
    let cross = try members.members.compactMap { block, _ in
      try numbers.required(block, "a number", numbers.number(block))
        .map { (TensorName(block), $0) }
    }
    return squaredNorm.map { ($0, cross) }
  }

  /// Checks what any format says of a base weight (Adapter §1.6).
  init?(
    _ fields: Fields, statistics: (squaredNorm: Double, cross: [(TensorName, Double)])?
  ) throws {
    let name = try fields.required("tensor", "the tensor's name", fields.string("tensor"))
    let dtype = try fields.required("dtype", "a dtype", fields.word("dtype", as: DType.self))
    let shape = try fields.required("shape", "an array of whole numbers", fields.integers("shape"))
    let sha256 = try fields.required(
      "sha256", "64 hexadecimal digits", fields.string("sha256"))
    guard let name, let dtype, let shape, let sha256, try fields.checkName(name) else { return nil }
    guard SHA256Digest(hexadecimal: sha256) != nil else {
      try fields.broken(
        .badValue(
          key: "sha256", found: sha256, expected: "64 lower-case hexadecimal digits"),
        rule: "Adapter §1.6")
      return nil
    }
    let tensor: TensorInfo
    do {
      tensor = try TensorInfo(name: TensorName(name), dtype: dtype, shape: shape)
    } catch {
      try fields.broken(
        .badValue(key: "shape", found: "\(shape)", expected: "the shape of a tensor: \(error)"),
        rule: "Adapter §1.6")
      return nil
    }
    if let statistics, statistics.squaredNorm < 0 {
      try fields.broken(
        .badValue(
          key: "squared_norm", found: "\(statistics.squaredNorm)", expected: "a number from 0 on"),
        rule: "Adapter §1.6")
    }
    self.init(
      tensor: tensor, sha256: sha256,
      statistics: statistics.map {
        Statistics(
          squaredNorm: $0.squaredNorm, cross: Dictionary($0.cross) { first, _ in first })
      })
  }
}

extension Fields {
  /// The members of a JSON object; keys beside `known` get a warning.
  init(
    _ object: JSONObject, path: String, owner: String?, rule: String, check: RuleCheck,
    known: Set<String>?
  ) {
    self.init(path: path, owner: owner, rule: rule, check: check) { key in
      object[key].flatMap(FieldValue.init)
    }
    guard let known else { return }
    for (key, _) in object.members where !known.contains(key) {
      check.warn(error(.unknownKey(key)))
    }
  }

  /// The members of an object inside the owner's.
  func nested(_ object: JSONObject, known: Set<String>?) -> Fields {
    Fields(object, path: path, owner: owner, rule: rule, check: check, known: known)
  }

  /// The same for a block.
  func of(_ block: TensorName) -> Fields {
    Fields(path: path, owner: "block '\(block)'", rule: rule, check: check, value: value)
  }

  /// Checks a name (Adapter §1.2).
  func checkName(_ name: String) throws -> Bool {
    if TextRules.isName(name) { return true }
    try broken(.badName(name), rule: "Adapter §1.2")
    return false
  }
}

extension FieldValue {
  /// The value of a JSON member; nil for null.
  fileprivate init?(_ json: JSONValue) {
    switch json {
    case .null: return nil
    case .string(let text): self = .string(text)
    case .number(let number):
      // `-0` is a number of its own (Adapter §2.4).
      if let integer = number.integer, number.text != "-0" {
        self = .integer(integer)
      } else {
        self = .number(number.double ?? .infinity)
      }
    case .array(let elements):
      let integers = elements.compactMap { $0.number?.integer }
      self =
        integers.count == elements.count
        ? .integers(integers) : .other(json.excerpt)
    case .bool, .object: self = .other(json.excerpt)
    }
  }
}

extension JSONValue {
  /// The begin of the text, for an error.
  /// The text, or the beginning of a long one.
  var excerpt: String {
    let text = serialized()
    return text.count > 60 ? "\(text.prefix(60))…" : text
  }
}
