internal import Tensors

/// The links that the published code makes between adapted modules (Merging §3.3).
struct PublishedTopology {
  /// The positions of the modules given, in module order.
  let order: [Int]
  /// Each module's predecessor by position, indexed as given.
  let previous: [Int?]

  /// One model's names for the letters of `target_modules`.
  private typealias Table = [String: [String]]

  /// In the order in which they are tried; mistral's is llama's.
  private static let tables: [Table] = [
    [
      "q": ["q_proj"], "k": ["k_proj"], "v": ["v_proj"], "o": ["o_proj"],
      "f": ["up_proj", "down_proj"], "g": ["gate_proj"],
    ],
    ["q": ["to_q"], "k": ["to_k"], "v": ["to_v"], "o": ["to_out"]],
    ["q": ["query"], "k": ["key"], "v": ["value"], "o": ["out"]],
  ]

  /// Infers the links of modules given in the order of the source.
  ///
  /// - Parameter keepsOrder: whether the source keeps the order in which keys were added.
  init(
    modules: [(name: TensorName, inFeatures: Int, outFeatures: Int)], letters: [String],
    keepsOrder: Bool
  ) {
    let names = modules.map(\.name)
    let families = PublishedTopology.families(of: names, letters: letters)
    var members: [String: [Int]] = [:]
    for (position, family) in families.enumerated() {
      members[family, default: []].append(position)
    }
    let isPlausible =
      keepsOrder
      && members.values.allSatisfy { ModuleOrder.isPlausible($0.map { names[$0] }) }
    order =
      isPlausible
      ? Array(names.indices)
      : names.indices.sorted { ModuleOrder.precedes(names[$0], names[$1]) }
    var previous = [Int?](repeating: nil, count: names.count)
    var last: [String: Int] = [:]
    for position in order {
      if let predecessor = last[families[position]],
        modules[predecessor].inFeatures == modules[position].inFeatures,
        modules[predecessor].outFeatures == modules[position].outFeatures
      {
        previous[position] = predecessor
      }
      last[families[position]] = position
    }
    self.previous = previous
  }

  /// The family of each module: the first key of the first table that covers all modules, or the
  /// last component that is no number.
  private static func families(of names: [TensorName], letters: [String]) -> [String] {
    let lowered = names.map { $0.string.lowercased() }
    for table in tables {
      let keys = letters.flatMap { table[$0] ?? [] }
      let found = lowered.map { name in keys.first { contains(name, $0) } }
      if found.allSatisfy({ $0 != nil }) { return found.compactMap { $0 } }
    }
    return names.map { name in
      let components = name.string.split(separator: ".")
      return components.last { !ModuleOrder.isNumber($0) }.map(String.init) ?? ""
    }
  }

  private static func contains(_ name: String, _ key: String) -> Bool {
    let (haystack, needle) = (Array(name.utf8), Array(key.utf8))
    guard haystack.count >= needle.count else { return false }
    return (0...(haystack.count - needle.count)).contains { haystack[$0...].starts(with: needle) }
  }
}
