internal import Tensors

/// Where blocks stand by their names: a row for each family, such as `attention.self.query`, a column
/// for each layer.
///
/// A name's whole numbers between separators are its indices; the first that differs among names alike
/// but for their indices is the layer. Blocks whose names say too little stand in their order instead.
struct BlockGrid: Sendable {
  /// Blocks alike but for their layer.
  struct Family: Sendable {
    /// What they have in common, without what all families have in common.
    let label: String
    /// The blocks' positions, by layer.
    let members: [(layer: Int?, block: Int)]
  }

  /// The families in the order of their first blocks.
  let families: [Family]
  /// All layers, ascending; nil comes last, for names without one.
  let layers: [Int?]
  /// Whether the columns count blocks in their order.
  let isSequence: Bool

  /// The most families before blocks that hardly share any are shown in their order.
  private static let manyFamilies = 48

  /// Sorts names into the grid.
  init(_ names: [String]) {
    let parts = names.map(NameParts.init)
    var groups: [TensorName: [Int]] = [:]
    for (index, part) in parts.enumerated() {
      groups[part.skeleton, default: []].append(index)
    }
    var order: [TensorName] = []
    var members: [TensorName: [(layer: Int?, block: Int)]] = [:]
    let layerPlaces = groups.mapValues { NameParts.layerPlace(among: $0.map { parts[$0] }) }
    for (index, part) in parts.enumerated() {
      let place = layerPlaces[part.skeleton] ?? nil
      let family = part.family(withoutNumber: place)
      if members[family] == nil { order.append(family) }
      members[family, default: []].append((place.map { part.numbers[$0] }, index))
    }
    if order.count > BlockGrid.manyFamilies, names.count < 2 * order.count {
      self.init(sequenceOf: names.count)
    } else {
      let labels = BlockGrid.labels(order.map(\.string))
      let families = zip(order, labels).map { key, label in
        Family(
          label: label,
          members: (members[key] ?? []).sorted { ($0.layer ?? .max) < ($1.layer ?? .max) })
      }
      let found = Set(families.flatMap { $0.members.map(\.layer) })
      self.init(
        families: families,
        layers: found.compactMap { $0 }.sorted().map { $0 } + (found.contains(nil) ? [nil] : []),
        isSequence: false)
    }
  }

  private init(families: [Family], layers: [Int?], isSequence: Bool) {
    self.families = families
    self.layers = layers
    self.isSequence = isSequence
  }

  private init(sequenceOf count: Int) {
    self.init(
      families: [Family(label: "all blocks", members: (0..<count).map { ($0, $0) })],
      layers: (0..<count).map { $0 }, isSequence: true)
  }

  /// What the columns count.
  var columnTitle: String { isSequence ? "block, in order" : "layer" }

  /// Drops what stands before the layer where all families have the same.
  private static func labels(_ names: [String]) -> [String] {
    let prefixes = names.compactMap { NameParts.prefix(of: $0) }
    guard let first = prefixes.first, prefixes.allSatisfy({ TensorName($0) == TensorName(first) })
    else { return names }
    return names.map { name in
      guard NameParts.prefix(of: name) != nil else { return name }
      let rest = String(name.unicodeScalars.dropFirst(first.unicodeScalars.count + 1))
      return rest.isEmpty ? name : rest
    }
  }
}

/// A name cut at its indices.
struct NameParts: Sendable {
  /// The texts around the numbers, one more than those.
  let texts: [String]
  /// The whole numbers that stand between separators.
  let numbers: [Int]

  private static let separators = Set("._/:-".utf8)
  /// What stands for the layer.
  private static let placeholder = "*"

  init(_ name: String) {
    let bytes = Array(name.utf8)
    var texts: [String] = []
    var numbers: [Int] = []
    var start = 0
    var position = 0
    while position < bytes.count {
      let begins = position == 0 || NameParts.separators.contains(bytes[position - 1])
      var end = position
      while end < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[end]) {
        end += 1
      }
      let ends = end == bytes.count || NameParts.separators.contains(bytes[end])
      // 01 is not 1, and a long number is no index.
      let isCanonical = end - position == 1 || bytes[position] != UInt8(ascii: "0")
      if begins, ends, end > position, end - position <= 6, isCanonical,
        let number = Int(String(decoding: bytes[position..<end], as: UTF8.self))
      {
        texts.append(String(decoding: bytes[start..<position], as: UTF8.self))
        numbers.append(number)
        start = end
      }
      position = max(end, position + 1)
    }
    texts.append(String(decoding: bytes[start...], as: UTF8.self))
    self.texts = texts
    self.numbers = numbers
  }

  /// What names that differ in their numbers only have in common.
  var skeleton: TensorName { TensorName(texts.joined(separator: "\u{0}")) }

  /// The first number that differs among names of one skeleton; the first of all where none does.
  static func layerPlace(among parts: [NameParts]) -> Int? {
    guard let first = parts.first, !first.numbers.isEmpty else { return nil }
    return first.numbers.indices.first { place in
      parts.contains { $0.numbers[place] != first.numbers[place] }
    } ?? 0
  }

  /// The name with a placeholder for one number.
  func family(withoutNumber place: Int?) -> TensorName {
    var name = texts[0]
    for (position, number) in numbers.enumerated() {
      name += (position == place ? NameParts.placeholder : "\(number)") + texts[position + 1]
    }
    return TensorName(name)
  }

  /// What stands before the end of a family's placeholder; nil where it has none.
  static func prefix(of family: String) -> String? {
    guard let place = family.unicodeScalars.firstIndex(of: "*") else { return nil }
    return String(family.unicodeScalars[...place])
  }
}
