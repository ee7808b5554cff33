internal import ByteIO
internal import Tensors

extension AdapterContent {
  /// The largest text of a description.
  static let maximumTextBytes = 100_000_000

  /// Reads a description (Adapter §2).
  ///
  /// - Returns: nil only where `check` noted what made the text unreadable.
  /// - Throws: `ContentError` where `check` throws.
  init?(parsing text: [UInt8], path: String, check: RuleCheck) throws {
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
    var metadata: [(key: String, value: String)] = []
    if let found = object["metadata"], !found.isNull {
      guard let pairs = found.object, pairs.members.allSatisfy({ $0.value.string != nil }) else {
        try fields.broken(
          .badValue(key: "metadata", found: "something else", expected: "an object of strings"))
        return nil
      }
      metadata = pairs.members.map { ($0.key, $0.value.string ?? "") }
    }
    guard let list = object["blocks"]?.array, !list.isEmpty else {
      try fields.broken(.missing(key: "blocks", expected: "an array of at least one block"))
      return nil
    }
    var blocks: [BlockContent] = []
    for (position, element) in list.enumerated() {
      guard let object = element.object else {
        try fields.broken(
          .badValue(key: "blocks", found: element.serialized(), expected: "an array of objects"))
        continue
      }
      if let block = try BlockContent(object, position: position, path: path, check: check) {
        blocks.append(block)
      }
    }
    try self.init(fields, metadata: metadata, blocks: blocks)
  }

  /// Takes what every format states of an adapter as a whole, and checks what holds in all of them.
  init?(_ fields: Fields, metadata: [(key: String, value: String)], blocks: [BlockContent]) throws {
    let structure = try fields.required(
      "structure", "\"plain\", \"is\", \"bs\" or \"ms\"",
      fields.word("structure", as: Structure.self))
    root = try fields.word("root", as: RootRule.self) ?? .ownInput
    reach = try fields.integer("pre_num", in: -1...Int.max).flatMap(PredecessorCount.init) ?? .all
    baseModel = try fields.string("base_model")
    self.metadata = metadata
    self.blocks = blocks
    self.structure = structure ?? .plain
    try check(fields)
    if structure == nil { return nil }
  }

  private func check(_ fields: Fields) throws {
    for (key, value) in metadata where key.isEmpty || (key + value).utf8.contains(0) {
      try fields.broken(.badMetadata(key: key), rule: "Adapter §1.7")
    }
    let size = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    if size > AdapterContent.maximumMetadataBytes {
      try fields.broken(.tooMuchMetadata(found: size), rule: "Adapter §1.7")
    }
    var names: Set<TensorName> = []
    for block in blocks where !names.insert(block.name).inserted {
      try fields.of(block.name).broken(.duplicateBlock, rule: "Adapter §1.2")
    }
    for block in blocks {
      guard let previous = block.previous, !names.contains(previous) else { continue }
      try fields.of(block.name).broken(.unknownPredecessor(previous), rule: "Merging §3.2")
    }
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
    let pairs = try fields.integer("pairs", in: 1...Self.maximumPairs) ?? 1
    var windows = NormWindows()
    if let found = object["windows"], !found.isNull {
      if let members = found.object {
        windows = try NormWindows(members, fields)
      } else {
        try fields.broken(
          .badValue(key: "windows", found: found.serialized(), expected: "an object"))
      }
    }
    var base: BaseWeight?
    if let found = object["base"], !found.isNull {
      if let members = found.object {
        base = try BaseWeight(members, fields)
      } else {
        try fields.broken(.badValue(key: "base", found: found.serialized(), expected: "an object"))
      }
    }
    guard let name, let scaling else { return nil }
    guard try fields.checkName(name) else { return nil }
    self.init(
      name: TensorName(name), scaling: scaling, previous: previous.map { TensorName($0) },
      pairs: pairs, windows: windows, base: base)
  }
}

extension NormWindows {
  fileprivate init(_ object: JSONObject, _ owner: Fields) throws {
    let fields = owner.nested(object, known: ["input", "projection", "capacity"])
    func values(_ window: String) throws -> [Double] {
      guard let found = object[window], !found.isNull else { return [] }
      guard let list = found.array else {
        try owner.broken(
          .badNorm(window: window, found: found.serialized()), rule: "Adapter §1.5")
        return []
      }
      return try list.compactMap { element in
        if let number = element.number?.double { return number }
        try owner.broken(
          .badNorm(window: window, found: element.serialized()), rule: "Adapter §1.5")
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
    for (window, values) in [("input", input), ("projection", projection)] {
      for value in values where !(value.isFinite && value >= 0) {
        try fields.broken(.badNorm(window: window, found: "\(value)"), rule: "Adapter §1.5")
      }
      if values.count > capacity {
        try fields.broken(
          .windowTooLong(window: window, found: values.count, capacity: capacity),
          rule: "Adapter §1.5")
      }
    }
    self.init(
      input: NormWindow(input), projection: NormWindow(projection),
      capacity: input.isEmpty && projection.isEmpty ? NormWindows.defaultCapacity : capacity)
  }
}

extension BaseWeight {
  fileprivate init?(_ object: JSONObject, _ owner: Fields) throws {
    let fields = owner.nested(
      object, known: ["tensor", "dtype", "shape", "sha256", "statistics"])
    var numbers: (squaredNorm: Double, cross: [(TensorName, Double)])?
    if let found = object["statistics"], !found.isNull {
      let statistics = owner.nested(found.object ?? JSONObject(), known: ["squared_norm", "cross"])
      let squaredNorm = try statistics.required(
        "squared_norm", "a number from 0 on", statistics.number("squared_norm"))
      var cross: [(TensorName, Double)] = []
      if let members = found.object?["cross"]?.object {
        let numbers = owner.nested(members, known: nil)
        for (block, _) in members.members {
          if let value = try numbers.number(block) { cross.append((TensorName(block), value)) }
        }
      } else {
        try owner.broken(.missing(key: "cross", expected: "an object of numbers"))
      }
      numbers = squaredNorm.map { ($0, cross) }
    }
    try self.init(fields, statistics: numbers)
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
    let bytes = name.utf8
    if !bytes.isEmpty, bytes.count <= 4096, !bytes.contains(0) { return true }
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
      if let integer = number.integer {
        self = .integer(integer)
      } else {
        self = .number(number.double ?? .infinity)
      }
    case .array(let elements):
      let integers = elements.compactMap { $0.number?.integer }
      self =
        integers.count == elements.count
        ? .integers(integers) : .other(String(json.serialized().prefix(60)))
    case .bool, .object: self = .other(String(json.serialized().prefix(60)))
    }
  }
}
