public import Adapters
public import Tensors

/// One adapter of a fold.
@safe public struct FoldInput: Sendable {
  /// What to call it in messages.
  public let label: String
  /// What it does to the base.
  public let updates: [WeightUpdate]
  /// What its deltas are multiplied by.
  public let weight: Double
  /// For each update its generation, ascending, where loading one waits for what `observe` was told of
  /// those of earlier generations; nil where none waits.
  package let generations: [Int]?
  /// Called with every piece of a weight before it is folded: the update's position, the number of
  /// the piece among the weight's strips (`RowTiles`), its rows and stored elements. From any thread.
  package let observe: Observer?
  /// Called with an error that ends the run, so that threads that wait in a loader wake.
  package let stop: (@Sendable (any Error) -> Void)?

  /// Takes in whole rows of a stored weight.
  package typealias Observer =
    @Sendable (
      _ update: Int, _ tile: Int, _ rows: Range<Int>, _ elements: UnsafeRawBufferPointer
    ) throws -> Void

  /// Describes an adapter whose updates are known from the start.
  public init(label: String, updates: [WeightUpdate], weight: Double = 1) {
    unsafe self.init(
      label: label, updates: updates, weight: weight, generations: nil, observe: nil, stop: nil)
  }

  package init(
    label: String, updates: [WeightUpdate], weight: Double, generations: [Int]?,
    observe: Observer?,
    stop: (@Sendable (any Error) -> Void)?
  ) {
    self.label = label
    self.updates = updates
    self.weight = weight
    self.generations = generations
    unsafe self.observe = observe
    self.stop = stop
  }

  func generation(_ update: Int) -> Int { generations?[update] ?? 0 }
}

/// How a folded element becomes one of the stored dtype (Folding §3.2).
public enum FoldRounding: Sendable, Equatable {
  /// To the nearest value, ties to even.
  case nearest
  /// To one of the two neighbours, each with the probability that makes the mean right; which, the
  /// seed and the element's place decide.
  case stochastic(seed: UInt64)
}

/// What decides the numbers of a fold, beside base and adapters.
public struct FoldSettings: Sendable {
  /// The dtype of the output's tensors; nil keeps those of the base.
  public var dtype: DType?
  /// How folded elements are rounded.
  public var rounding: FoldRounding
  /// Whether updates without a base tensor are left out instead of refused.
  public var allowsUnmatched: Bool
  /// Tensors that are one in the model (Folding §2.3).
  public var ties: [TiedTensors]

  /// Collects settings.
  public init(
    dtype: DType? = nil, rounding: FoldRounding = .nearest, allowsUnmatched: Bool = false,
    ties: [TiedTensors] = []
  ) {
    self.dtype = dtype
    self.rounding = rounding
    self.allowsUnmatched = allowsUnmatched
    self.ties = ties
  }
}

/// Two names of one parameter: an embedding that is the output layer too.
public struct TiedTensors: Sendable, Equatable {
  /// The name in the embedding.
  public let embedding: TensorName
  /// The name in the output layer.
  public let output: TensorName

  /// States that both are one.
  public init(embedding: TensorName, output: TensorName) {
    self.embedding = embedding
    self.output = output
  }
}
