public import Tensors

/// One LoRA pair beside one linear layer.
public struct Block: Sendable {
  /// A block has fewer elements in all its factors (Adapter §1.3).
  public static let elementLimit = 1 << 28

  /// The name of the linear layer's module.
  public let name: TensorName
  /// The down-projection A, rank x in.
  public let a: Factor
  /// The up-projection B, out x rank.
  public let b: Factor
  /// What multiplies `B A`: `lora_alpha / r`, or what the source states.
  public let scaling: Double
  /// The norms collected in training; empty where the source has none.
  public var windows: NormWindows
  /// What is known of the linear's weight; nil where the source says nothing.
  public var base: BaseWeight?

  /// Checks that the factors fit each other.
  ///
  /// - Throws: `AdapterError.rankMismatch`, `AdapterError.blockTooLarge`, `AdapterError.badScaling`.
  public init(
    name: TensorName, a: Factor, b: Factor, scaling: Double, windows: NormWindows = NormWindows(),
    base: BaseWeight? = nil
  ) throws(AdapterError) {
    guard a.ranks == b.ranks else {
      throw .rankMismatch(block: name, rowsOfA: a.rows, columnsOfB: b.columns)
    }
    let elements = (a.pieces + b.pieces).reduce(0) { $0 + $1.info.elementCount }
    guard elements < Block.elementLimit else { throw .blockTooLarge(block: name, found: elements) }
    guard scaling.isFinite else { throw .badScaling(block: name, found: scaling) }
    self.name = name
    self.a = a
    self.b = b
    self.scaling = scaling
    self.windows = windows
    self.base = base
  }

  /// The rank r, over all stacked pairs.
  public var rank: Int { a.rows }
  /// Features in.
  public var inFeatures: Int { a.columns }
  /// Features out.
  public var outFeatures: Int { b.rows }
  /// The wider dtype of both factors.
  public var dtype: DType { a.dtype.bitWidth >= b.dtype.bitWidth ? a.dtype : b.dtype }
}
