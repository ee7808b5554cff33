internal import Tensors

/// The order of modules by name (Merging §3.3 b): component by component, numbers by value.
enum ModuleOrder {
  /// Whether one name comes before another.
  static func precedes(_ left: TensorName, _ right: TensorName) -> Bool {
    compare(left, right) < 0
  }

  /// Whether names of one family stand in an order that module registration can have: no name with
  /// a higher number before one with a lower, however far apart, where the two first differ.
  static func isPlausible(_ names: [TensorName]) -> Bool {
    typealias Components = [Substring]
    // Names that share their first `depth` components, in the order given.
    var groups: [(members: [Components], depth: Int)] = [
      (names.map { $0.string.split(separator: ".", omittingEmptySubsequences: false) }, 0)
    ]
    while let (members, depth) = groups.popLast() {
      var highest: Substring?
      var parts: [TensorName: [Components]] = [:]
      for components in members where depth < components.count {
        let component = components[depth]
        if isNumber(component) {
          if let highest, compareNumbers(component, highest) < 0 { return false }
          highest = component
        }
        parts[TensorName(String(component)), default: []].append(components)
      }
      for part in parts.values where part.count > 1 { groups.append((part, depth + 1)) }
    }
    return true
  }

  /// Compares at the first component that differs; a name before its extensions.
  private static func compare(_ left: TensorName, _ right: TensorName) -> Int {
    let a = left.string.split(separator: ".", omittingEmptySubsequences: false)
    let b = right.string.split(separator: ".", omittingEmptySubsequences: false)
    for (x, y) in zip(a, b) where !x.utf8.elementsEqual(y.utf8) { return compareComponents(x, y) }
    return a.count - b.count
  }

  private static func compareComponents(_ left: Substring, _ right: Substring) -> Int {
    switch (isNumber(left), isNumber(right)) {
    case (true, true):
      let order = compareNumbers(left, right)
      return order != 0 ? order : left.utf8.count - right.utf8.count
    case (true, false): return -1
    case (false, true): return 1
    case (false, false): return left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : 1
    }
  }

  static func isNumber(_ component: Substring) -> Bool {
    !component.isEmpty && component.utf8.allSatisfy { (48...57).contains($0) }
  }

  private static func compareNumbers(_ left: Substring, _ right: Substring) -> Int {
    let a = left.utf8.drop { $0 == 48 }
    let b = right.utf8.drop { $0 == 48 }
    if a.count != b.count { return a.count - b.count }
    return a.elementsEqual(b) ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
  }
}
