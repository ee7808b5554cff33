public import Tensors

/// What is known of a block's base weight without having it (Adapter §1.6).
public struct BaseWeight: Sendable, Equatable {
  /// Its tensor in the base checkpoint: name, dtype, shape.
  public let tensor: TensorInfo
  /// The SHA-256 of the tensor's stored bytes, 64 lower-case hexadecimal digits.
  public let sha256: String
  /// What a merge by weights needs of it; nil where that was not computed.
  public let statistics: Statistics?

  /// Describes a weight.
  public init(tensor: TensorInfo, sha256: String, statistics: Statistics?) {
    self.tensor = tensor
    self.sha256 = sha256
    self.statistics = statistics
  }

  /// The same weight of which nothing was computed.
  package var withoutStatistics: BaseWeight {
    BaseWeight(tensor: tensor, sha256: sha256, statistics: nil)
  }

  /// Inner products of a weight with the factors beside it (Merging §4.5).
  public struct Statistics: Sendable, Equatable {
    /// `‖W‖²`
    public let squaredNorm: Double
    /// `⟨Bᵀ W, A_p⟩` of own B and the A of block p, by p.
    public let cross: [TensorName: Double]

    /// Wraps the numbers.
    public init(squaredNorm: Double, cross: [TensorName: Double]) {
      self.squaredNorm = squaredNorm
      self.cross = cross
    }
  }
}
