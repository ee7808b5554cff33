public import Tensors

/// A LoRA without links, as it is served: what a merge gives, and what a fold and the writers take.
public protocol PlainLoRA: Sendable {
  /// What is known of every block without computing its factors.
  var blocks: [PlainBlock] { get }

  /// The factors of a block in float64.
  ///
  /// - Throws: errors of reading; `AdapterError.nonFinite`.
  func factors(of index: Int) throws -> PlainFactors
}

/// The factors of one block: the block adds `scaling · b a` to its weight.
public struct PlainFactors: Sendable {
  /// The down-projection, rank x in.
  public let a: Matrix
  /// The up-projection, out x rank.
  public let b: Matrix

  /// Wraps two factors whose ranks agree.
  public init(a: Matrix, b: Matrix) {
    precondition(a.rows == b.columns, "ranks \(a.rows) and \(b.columns)")
    self.a = a
    self.b = b
  }

  /// `‖B A‖`, from the factors alone (Merging §4.5).
  package var productNorm: Double {
    let square = b.columnGram.dot(a.rowGram)
    return square < 0 ? 0 : square.squareRoot()
  }
}

/// One block of a plain LoRA, its factors aside.
public struct PlainBlock: Sendable, Equatable {
  /// The name of the linear layer's module.
  public let name: TensorName
  /// The rank of the factors.
  public let rank: Int
  /// Features in.
  public let inFeatures: Int
  /// Features out.
  public let outFeatures: Int
  /// What multiplies `B A`.
  public let scaling: Double
  /// The dtype A is to be stored in (Merging §5.2).
  public let aDType: DType
  /// The dtype B is to be stored in (Merging §5.2).
  public let bDType: DType

  /// Describes a block.
  public init(
    name: TensorName, rank: Int, inFeatures: Int, outFeatures: Int, scaling: Double,
    aDType: DType, bDType: DType
  ) {
    self.name = name
    self.rank = rank
    self.inFeatures = inFeatures
    self.outFeatures = outFeatures
    self.scaling = scaling
    self.aDType = aDType
    self.bDType = bDType
  }
}
