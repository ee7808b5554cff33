/// How many tokens are worked on at once.
package enum TokenTiles {
  /// As many rows of so many bytes as fit, in steps of 64 where so many fit, at least one.
  package static func rows(bytes: Int, within budget: Int, atMost most: Int) -> Int {
    let fitting = budget / max(1, bytes)
    return min(most, fitting >= 64 ? fitting / 64 * 64 : max(1, fitting))
  }
}
