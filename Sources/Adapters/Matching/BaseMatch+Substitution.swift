package import Tensors

extension BaseMatch {
  /// A change of prefix.
  public struct Substitution: Sendable, Equatable {
    /// What is taken off the front of a name.
    public let stripped: String
    /// What is put there instead.
    public let added: String

    /// The change in words.
    public var description: String {
      switch (stripped.isEmpty, added.isEmpty) {
      case (true, true): "as they are"
      case (false, true): "without '\(stripped)'"
      case (true, false): "with '\(added)' before them"
      case (false, false): "'\(stripped)' replaced by '\(added)'"
      }
    }

    /// The name of the tensor under the change; nil where there is nothing to strip, and for names
    /// that are not spelt as a base spells them.
    package func apply(_ wanted: Wanted) -> TensorName? {
      guard wanted.naming == .dotted, let name = apply(wanted.name) else { return nil }
      return TensorName(name.string + wanted.suffix)
    }

    /// A module's name under the change; nil where there is nothing to strip.
    package func apply(_ module: TensorName) -> TensorName? {
      // In bytes: a dot and a combining mark after it are one character.
      let name = module.string.utf8
      guard name.starts(with: stripped.utf8) else { return nil }
      return TensorName(
        added + String(decoding: name.dropFirst(stripped.utf8.count), as: UTF8.self))
    }
  }

  /// What a name may begin with in one place and not in another.
  private static let prefixes = [
    "", "base_model.model.", "model.", "transformer.", "bert.", "module.",
  ]

  /// The substitution that matches most, among equals the earliest, and how many it matches.
  static func substitution(
    for wanted: [Wanted], in base: any TensorSource
  ) -> (best: Substitution, matched: Int) {
    bestSubstitution(of: wanted.count) { candidate in
      wanted.reduce(0) { sum, item in
        sum + (candidate.apply(item).flatMap(base.index(of:)) == nil ? 0 : 1)
      }
    }
  }

  /// Where each module is among others that may be spelt with another prefix, under the substitution
  /// that finds most; nil for those it does not find.
  package static func positions(
    of modules: [TensorName], in known: [TensorName: Int]
  ) -> [Int?] {
    func position(_ module: TensorName, _ substitution: Substitution) -> Int? {
      substitution.apply(module).flatMap { known[$0] }
    }
    let best = bestSubstitution(of: modules.count) { candidate in
      modules.reduce(0) { $0 + (position($1, candidate) == nil ? 0 : 1) }
    }.best
    return modules.map { position($0, best) }
  }

  /// The substitution of the highest count, which is at most `most`, among equals the earliest.
  private static func bestSubstitution(
    of most: Int, _ count: (Substitution) -> Int
  ) -> (best: Substitution, matched: Int) {
    var best = Substitution(stripped: "", added: "")
    var bestCount = -1
    for stripped in prefixes {
      for added in prefixes where added != stripped || added.isEmpty {
        let candidate = Substitution(stripped: stripped, added: added)
        let found = count(candidate)
        if found > bestCount { (best, bestCount) = (candidate, found) }
        // None of the others can match more.
        if found == most { return (best, found) }
      }
    }
    return (best, max(0, bestCount))
  }
}
