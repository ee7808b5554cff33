internal import Tensors

/// The adapter tensors of a published ResLoRA checkpoint: `MODULE.loras.I.lora_A` and `.lora_B`.
struct PublishedKeys {
  /// The pairs on one linear.
  struct Module {
    let name: TensorName
    var pairs: [Int: (a: Int?, b: Int?)] = [:]
  }

  /// The adapted modules in the order in which the source first names them.
  private(set) var modules: [Module] = []
  /// The source's tensors that are no part of an adapter.
  private(set) var others: [Int] = []
  /// The prefix that every module's name had and that was taken off.
  private(set) var strippedPrefix = ""

  /// What trainers wrap the model in, as it shows at the front of saved names.
  private static let wrappers = ["module.", "wrapped_model."]

  init(of source: any TensorSource) {
    var positions: [TensorName: Int] = [:]
    for (index, info) in source.tensors.enumerated() {
      guard let (module, pair, isA) = PublishedKeys.parse(info.name.string) else {
        others.append(index)
        continue
      }
      let position = positions[module] ?? modules.count
      if position == modules.count {
        positions[module] = position
        modules.append(Module(name: module))
      }
      if isA {
        modules[position].pairs[pair, default: (nil, nil)].a = index
      } else {
        modules[position].pairs[pair, default: (nil, nil)].b = index
      }
    }
    stripWrappers()
  }

  /// Whether a tensor's name is one of a published adapter.
  static func matches(_ name: TensorName) -> Bool { parse(name.string) != nil }

  private static func parse(_ name: String) -> (module: TensorName, pair: Int, isA: Bool)? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[parts.count - 3] == "loras" else { return nil }
    let last = parts[parts.count - 1]
    let number = parts[parts.count - 2]
    // One spelling for each number: "0" and "00" must not be the same pair.
    guard last == "lora_A" || last == "lora_B", let pair = Int(number), pair >= 0,
      "\(pair)" == number
    else { return nil }
    let module = parts.dropLast(3).joined(separator: ".")
    return (TensorName(module), pair, last == "lora_A")
  }

  private mutating func stripWrappers() {
    var found = true
    while found {
      found = false
      for wrapper in PublishedKeys.wrappers
      where !modules.isEmpty && modules.allSatisfy({ $0.name.string.hasPrefix(wrapper) }) {
        strippedPrefix += wrapper
        modules = modules.map { module in
          Module(
            name: TensorName(String(module.name.string.dropFirst(wrapper.count))),
            pairs: module.pairs)
        }
        found = true
      }
    }
  }
}
