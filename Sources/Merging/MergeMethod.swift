public import Adapters
public import Tensors

/// A way to turn linked blocks into plain ones. Adding one is a type of its own and a line in
/// `MergeMethods.all`; the command line takes names and help from there.
public protocol MergeMethod: Sendable {
  /// The name on the command line.
  static var name: String { get }
  /// What it does, in a line of help.
  static var summary: String { get }

  /// Decides how each block's factors are combined.
  ///
  /// - Throws: `MergeError` for missing data, never a silent default; errors of reading.
  static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge]
}

/// The methods there are.
public enum MergeMethods {
  /// In the order in which help lists them.
  public static let all: [any MergeMethod.Type] = [
    DroppedShortcut.self,
    InputBasedMerge.self,
    WeightBasedMerge.self,
    ExactMerge.self,
  ]

  /// The method of a name.
  ///
  /// - Throws: `MergeError.unknownMethod`.
  public static func named(_ name: String) throws(MergeError) -> any MergeMethod.Type {
    guard let method = all.first(where: { $0.name == name }) else {
      throw .unknownMethod(found: name)
    }
    return method
  }

  /// The method to use for an adapter: the one asked for, or the best that the inputs allow
  /// (Merging §4.8).
  ///
  /// - Returns: the method, and why where it is not the one asked for.
  /// - Throws: `MergeError`.
  public static func choose(
    _ requested: String?, for adapter: Adapter, hasBase: Bool,
    profile: MergeInputs.Profile = .standard
  ) throws(MergeError) -> (method: any MergeMethod.Type, reason: String?) {
    if let requested {
      let method = try named(requested)
      let estimates = method == InputBasedMerge.self || method == WeightBasedMerge.self
      if adapter.structure == .blockShortcut, estimates {
        return (
          ExactMerge.self, "\(requested) means exact for block-shortcut: nothing is to be estimated"
        )
      }
      return (method, nil)
    }
    switch adapter.structure {
    case .plain: return (DroppedShortcut.self, "a plain LoRA has no shortcut to merge")
    case .blockShortcut: return (ExactMerge.self, "block-shortcut merges without loss")
    case .inputShortcut, .middleShortcut:
      if hasBase { return (WeightBasedMerge.self, "the base weights are at hand") }
      // The published code's norms are others than those that are stored.
      if profile == .standard, BaseStatistics.areStored(with: adapter) {
        return (WeightBasedMerge.self, "the adapter carries the statistics of its base weights")
      }
      if adapter.hasWindows {
        return (InputBasedMerge.self, "norm windows are at hand and no base")
      }
      throw .nothingToGoBy(structure: adapter.structure)
    }
  }
}

/// What a merge may use beside the adapter.
public struct MergeInputs: Sendable {
  /// Whose numbers a merge gives.
  public enum Profile: String, Sendable, CaseIterable {
    /// The paper's equations, with the Decisions of Merging §4.
    case standard
    /// What the published code computes (Merging §4.10).
    case lmops
  }

  /// The base weights.
  public var base: (any TensorSource)?
  /// Whose numbers to give.
  public var profile: Profile
  /// Whether a NaN or an infinity may enter a result.
  public var allowsNonFinite: Bool
  /// The most threads to use.
  public var threads: Int
  /// Called with the bytes of the base that a pass has read and will read, from any thread; an
  /// error it throws stops the merge. With 0 and 0 where there is nothing to count.
  public var progress: @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }

  /// Collects inputs.
  public init(
    base: (any TensorSource)? = nil, profile: Profile = .standard, allowsNonFinite: Bool = false,
    threads: Int = 1
  ) {
    self.base = base
    self.profile = profile
    self.allowsNonFinite = allowsNonFinite
    self.threads = threads
  }
}

/// How one block's factors become those of a plain LoRA, and the numbers behind it.
public struct BlockMerge: Sendable, Equatable {
  /// How factors are combined (Merging §5.1).
  public enum Combination: Sendable, Equatable {
    /// B multiplied by a number; 1 leaves the block as it is.
    case scaled(Double)
    /// The predecessors' A added to A, each multiplied by its number, nearest first.
    case mixed([Double])
    /// The predecessors' factors joined to the block's own.
    case joined
  }

  /// How factors are combined.
  public let combination: Combination
  /// The merge factors as reported (Merging §5.4).
  public let alpha: [Double]
  /// The norm the method took of the block: `f` or `f*`; nil where it takes none.
  public let norm: Double?
  /// `‖W + Δ‖` where the method computed it.
  public let foldedNorm: Double?

  init(
    _ combination: Combination, alpha: [Double] = [], norm: Double? = nil, foldedNorm: Double? = nil
  ) {
    self.combination = combination
    self.alpha = alpha
    self.norm = norm
    self.foldedNorm = foldedNorm
  }
}
