public import Tensors

extension BaseMatch {
  /// What matching needs to know of a block or an update.
  public struct Wanted: Sendable {
    /// The module's name.
    public let name: TensorName
    /// What follows it in the tensor's name.
    public let suffix: String
    /// The shape its tensor must have.
    public let shape: [Int]
    /// Whether the extents after the first may be cut in another way.
    public let joinsKernel: Bool
    /// The expert that is wanted of the tensor, nil for all of it.
    public let expert: Int?
    /// How the name is spelt.
    public let naming: WeightUpdate.Naming

    /// Describes a block of a plain LoRA.
    public init(_ block: PlainBlock) {
      self.init(block.name, out: block.outFeatures, in: block.inFeatures)
    }

    /// Describes a block of an adapter.
    public init(_ block: Block) {
      self.init(block.name, out: block.outFeatures, in: block.inFeatures)
    }

    /// Describes an update.
    public init(_ update: WeightUpdate) {
      name = update.module
      suffix = update.parameter.suffix
      shape = update.shape
      joinsKernel = update.joinsKernel
      expert = update.expert
      naming = update.naming
    }

    private init(_ name: TensorName, out: Int, in inFeatures: Int) {
      self.name = name
      suffix = WeightUpdate.Parameter.weight.suffix
      shape = [out, inFeatures]
      joinsKernel = false
      expert = nil
      naming = .dotted
    }

    /// The tensor's name under the adapter's own name for the module.
    var tensorName: TensorName { TensorName(name.string + suffix) }

    /// Whether a tensor of this shape is wanted.
    func fits(_ found: [Int]) -> Bool {
      WeightUpdate.fits(found, expected: shape, joiningKernel: joinsKernel)
    }
  }
}

extension WeightUpdate {
  /// Whether a tensor of this shape is what the update is for.
  func fits(_ found: [Int]) -> Bool {
    WeightUpdate.fits(found, expected: shape, joiningKernel: joinsKernel)
  }

  /// Whether a shape is the expected one; with a joined kernel, whether its first extent and the
  /// product of the others are.
  fileprivate static func fits(
    _ found: [Int], expected: [Int], joiningKernel: Bool
  ) -> Bool {
    if found == expected { return true }
    guard joiningKernel, found.count > 1, found[0] == expected[0] else { return false }
    return found.dropFirst().reduce(1, *) == expected.dropFirst().reduce(1, *)
  }
}
