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

  /// What is open.
  enum Question: Sendable {
    /// Whether a layer stores its weight as [in, out]; the first choice is what the config says.
    case orientation
    /// Whether a module is an embedding; the first choice is what its name says.
    case embedding
    /// Which parameters pairs belong to, and which way round they are.
    case parameters(what: String)
  }

  /// What is open.
  let question: Question
  /// The meanings, the likeliest first.
  let choices: [Choice]
  /// The updates under the likeliest meaning.
  let updates: [WeightUpdate]

  /// - Precondition: there is at least one choice.
  init(_ question: Question, _ choices: [Choice]) {
    self.question = question
    self.choices = choices
    updates = choices[0].updates()
  }

  /// The module, or the first of them.
  var module: TensorName { choices[0].tensors[0].module }

  /// The choices whose tensors the base has in the right shapes.
  func fitting(_ base: any TensorSource, _ substitution: BaseMatch.Substitution) -> [Int] {
    choices.indices.filter { index in
      choices[index].tensors.allSatisfy { update in
        substitution.apply(BaseMatch.Wanted(update)).flatMap(base.index(of:)).map {
          update.fits(base.tensors[$0].shape)
        } ?? false
      }
    }
  }
}
