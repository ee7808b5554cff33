internal import Tensors

/// What the tensors of one or several modules can mean, of which the base's shapes decide.
struct OpenUpdates: Sendable {
  /// One meaning.
  struct Choice: Sendable {
    /// The updates under this meaning.
    let updates: @Sendable () -> [WeightUpdate]
    /// One update for each base tensor, to compare with the base.
    let tensors: [WeightUpdate]
  }

  /// The meanings, the likeliest first.
  let choices: [Choice]
  /// Whether the first one counts where several fit; else that is an error.
  let prefersFirst: Bool
  /// What it is about, for errors.
  let what: String

  /// The updates under the likeliest meaning.
  let updates: [WeightUpdate]

  /// - Precondition: there is at least one choice.
  init(_ choices: [Choice], prefersFirst: Bool, what: String) {
    self.choices = choices
    self.prefersFirst = prefersFirst
    self.what = what
    updates = choices[0].updates()
  }

  /// The updates under the meaning that fits the base; the likeliest where none does, whose
  /// mismatch is reported with all others.
  ///
  /// - Throws: `AdapterError.ambiguous`.
  func fitted(
    to base: any TensorSource, _ substitution: BaseMatch.Substitution
  ) throws(AdapterError) -> [WeightUpdate] {
    let fitting = choices.filter { choice in
      choice.tensors.allSatisfy { update in
        substitution.apply(BaseMatch.Wanted(update)).flatMap(base.index(of:)).map {
          update.fits(base.tensors[$0].shape)
        } ?? false
      }
    }
    guard let first = fitting.first else { return updates }
    guard fitting.count == 1 || prefersFirst else {
      throw .ambiguous(module: first.tensors[0].module, what: what)
    }
    return first.updates()
  }
}
