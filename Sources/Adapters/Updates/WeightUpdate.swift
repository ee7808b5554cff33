public import Tensors

/// What an adapter does to one tensor of a base checkpoint, or to one expert of a stack.
///
/// Every kind of adapter becomes a list of these; a fold knows no other. The tensor is taken as a
/// row-major matrix of `rows` x `columns`: a convolution's kernel lies in its columns, a bias is one
/// row, an expert is some neighbouring rows of its stack.
public struct WeightUpdate: Sendable {
  /// The module, as the adapter names it.
  public let module: TensorName
  /// Which of the module's parameters.
  public let parameter: Parameter
  /// The shape that the base's tensor must have.
  public let shape: [Int]
  /// The expert, for a tensor of which only `shape[0]`'s element of that number changes.
  public let expert: Int?
  /// What happens to it.
  public let action: Action
  /// The kind of adapter, for reports: "LoRA", "DoRA", "LoHa".
  public let kind: String
  /// Number of float64 values that loading the action keeps in memory.
  public let loadedElements: Int
  /// Whether loading gives a `WeightDelta.product`, for which folds have their quickest path.
  public let isProduct: Bool
  /// Whether `shape` has the kernel of a convolution joined with its inputs, so that the base's
  /// tensor may have more extents of the same product after the first.
  public let joinsKernel: Bool
  /// How the module's name is spelt.
  public let naming: Naming

  /// How an adapter spells a module's name.
  public enum Naming: Sendable, Hashable {
    /// As the base does, but for a prefix.
    case dotted
    /// With underscores for dots, and what comes before the first of the module's own components
    /// left out (kohya).
    case flattened
  }

  /// A module's parameter.
  public enum Parameter: Sendable, Hashable {
    /// `MODULE.weight`
    case weight
    /// `MODULE.bias`
    case bias
    /// The module's name is the tensor's.
    case itself

    /// What follows the module's name in the tensor's.
    public var suffix: String {
      switch self {
      case .weight: ".weight"
      case .bias: ".bias"
      case .itself: ""
      }
    }
  }

  /// What happens to the matrix W.
  public enum Action: Sendable {
    /// `W + Δ`
    case add(Loader)
    /// `m ∘ (W + Δ) / ‖W + Δ‖`, norms and magnitudes by row or by column (DoRA).
    case rescale(Loader, magnitude: @Sendable () throws -> [Double], per: Axis)
    /// Another tensor of the same shape in its place.
    case replace(TensorReference)
  }

  /// Reads the factors of a Δ, scaling included; throws for a NaN or an infinity unless allowed.
  public typealias Loader = @Sendable (_ allowingNonFinite: Bool) throws -> WeightDelta

  /// What one magnitude of DoRA belongs to.
  public enum Axis: Sendable, Hashable {
    /// A row of the stored matrix.
    case row
    /// A column of the stored matrix: layers that store the transposed weight.
    case column
  }

  /// Describes an update.
  public init(
    module: TensorName, parameter: Parameter = .weight, shape: [Int], expert: Int? = nil,
    action: Action, kind: String, loadedElements: Int, isProduct: Bool = true,
    joinsKernel: Bool = false, naming: Naming = .dotted
  ) {
    self.module = module
    self.parameter = parameter
    self.shape = shape
    self.expert = expert
    self.action = action
    self.kind = kind
    self.loadedElements = loadedElements
    if case .replace = action { self.isProduct = false } else { self.isProduct = isProduct }
    self.joinsKernel = joinsKernel
    self.naming = naming
  }

  /// The shape of the part that changes: the tensor's, or one expert's.
  private var partShape: ArraySlice<Int> { expert == nil ? shape[...] : shape.dropFirst() }
  /// Number of rows of the matrix: the first extent of two or more, else 1.
  public var rows: Int { partShape.count < 2 ? 1 : partShape[partShape.startIndex] }
  /// Number of columns of the matrix.
  public var columns: Int {
    partShape.dropFirst(partShape.count < 2 ? 0 : 1).reduce(1, *)
  }
}

extension PlainLoRA {
  /// A merge's result as updates of its linear layers' weights, block by block.
  public var updates: [WeightUpdate] {
    blocks.enumerated().map { position, block in
      WeightUpdate(
        module: block.name, shape: [block.outFeatures, block.inFeatures],
        action: .add { _ in
          let factors = try self.factors(of: position)
          return .product(PlainFactors(a: factors.a, b: factors.b.scaled(by: block.scaling)))
        }, kind: "LoRA", loadedElements: block.rank * (block.inFeatures + block.outFeatures))
    }
  }
}
