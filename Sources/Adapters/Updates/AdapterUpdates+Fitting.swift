public import Tensors

extension AdapterUpdates {
  /// The same adapter with everything decided that a base decides: whether a layer stores its
  /// weight transposed, and which parameter a stack of experts is (Updates §6.3).
  ///
  /// Every fold must go by these updates. What fits no way is left as the adapter says it, for
  /// `BaseMatch` to report with all else that does not fit.
  ///
  /// - Throws: `AdapterError.ambiguous` where the base's shapes leave something open.
  public func fitted(to base: any TensorSource) throws -> AdapterUpdates {
    guard !openings.isEmpty else { return self }
    let substitution = BaseMatch.substitution(
      for: updates.map(BaseMatch.Wanted.init), in: base
    ).best
    let decided = try choices(base, substitution)
    var fitted: [WeightUpdate] = []
    var next = 0
    while next < updates.count {
      if let open = openings[next] {
        fitted += open.choices[decided[next] ?? 0].updates()
        next += open.updates.count
      } else {
        fitted.append(updates[next])
        next += 1
      }
    }
    return AdapterUpdates(
      label: label, format: format, updates: fitted, openings: [:], tensors: tensors, notes: notes,
      files: files, baseModel: baseModel, firstNotPlain: firstNotPlain)
  }

  /// The choice for each opening, by the position of its first update.
  private func choices(
    _ base: any TensorSource, _ substitution: BaseMatch.Substitution
  ) throws(AdapterError) -> [Int: Int] {
    var decided: [Int: Int] = [:]
    var square: [Int] = []
    // Of layers with one name in several blocks, the ways round that their shapes show.
    var shown: [String: Set<Int>] = [:]
    for position in openings.keys.sorted() {
      guard let open = openings[position] else { continue }
      let fitting = open.fitting(base, substitution)
      switch open.question {
      case .orientation:
        if fitting.count > 1 {
          square.append(position)
        } else if let choice = fitting.first {
          decided[position] = choice
          shown[open.module.lastComponent, default: []].insert(choice)
        }
      case .embedding: decided[position] = fitting.first
      case .parameters(let what):
        guard fitting.count < 2 else { throw .ambiguous(module: open.module, what: what) }
        decided[position] = fitting.first
      }
    }
    // A config has one word for all layers. Where a shape has given it the lie, it is not believed
    // of square layers either.
    guard shown.values.contains(where: { $0.contains(1) }) else { return decided }
    for position in square {
      guard let module = openings[position]?.module else { continue }
      guard let ways = shown[module.lastComponent], ways.count == 1 else {
        throw .ambiguous(
          module: module,
          what: "the weight is square, and fan_in_fan_out of the config is wrong for other layers, "
            + "so that it may be either way round")
      }
      decided[position] = ways.first
    }
    return decided
  }
}

extension TensorName {
  /// What follows the last dot.
  fileprivate var lastComponent: String {
    String(string.split(separator: ".", omittingEmptySubsequences: false).last ?? "")
  }
}
