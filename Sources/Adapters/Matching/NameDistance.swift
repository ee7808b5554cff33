package import Tensors

/// Finds names that a misspelt or misplaced name may have meant.
package enum NameDistance {
  /// Names longer than this are compared by their ends only.
  private static let comparedBytes = 96
  /// More candidates than this are not compared one by one.
  private static let maximumCandidates = 20_000

  /// The few names nearest to `name`, nearest first, escaped for a terminal: those that share the
  /// longest run of last components, then those of the smallest edit distance.
  package static func nearest(
    to name: TensorName, among candidates: [TensorName], limit: Int = 2
  ) -> [String] {
    guard candidates.count <= maximumCandidates else { return [] }
    let suffixes = candidates.map { commonSuffix(name.string, $0.string) }
    // Edit distances are dear: only names that can still be among the first need theirs.
    let least = suffixes.sorted(by: >).prefix(limit).last ?? 0
    let scored = zip(candidates, suffixes).filter { $0.1 >= least }.map { candidate, suffix in
      (candidate, -suffix, distance(name.string, candidate.string))
    }
    let best = scored.sorted { ($0.1, $0.2, $0.0) < ($1.1, $1.2, $1.0) }
    // A name that shares nothing and differs in most of its letters is no help.
    return best.prefix(limit).filter { $0.1 < 0 || $0.2 * 2 <= name.string.utf8.count }
      .map { "'\($0.0)'" }
  }

  /// Equal dot-separated components at the ends of both names.
  private static func commonSuffix(_ left: String, _ right: String) -> Int {
    let pairs = zip(
      left.split(separator: ".").reversed(), right.split(separator: ".").reversed())
    return pairs.prefix { $0.utf8.elementsEqual($1.utf8) }.count
  }

  /// Levenshtein's distance over the last bytes.
  private static func distance(_ left: String, _ right: String) -> Int {
    let a = Array(left.utf8.suffix(comparedBytes))
    let b = Array(right.utf8.suffix(comparedBytes))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
      }
    }
    return row[b.count]
  }
}
