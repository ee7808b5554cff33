public import Adapters
public import Tensors

/// A way to turn linked blocks into plain ones. Adding one is a type of its own and a line in
/// `MergeMethods.all`; the command line takes names and help from there.
public protocol MergeMethod: Sendable {
  /// The name on the command line.
  static var name: String { get }
  /// What it does, in a line of help.
  static var summary: String { get }

  /// Whether it estimates what shortcuts bring, of which block-shortcut needs none.
  static var estimates: Bool { get }
  /// Whether it is fitted on captured inputs.
  static var needsCalibration: Bool { get }

  /// Decides how each block's factors are combined.
  ///
  /// - Throws: `MergeError` for missing data, never a silent default; errors of reading.
  static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge]
}

extension MergeMethod {
  /// Most methods need no captured inputs.
  public static var needsCalibration: Bool { false }
}

/// The methods there are.
public enum MergeMethods {
  /// In the order in which help lists them.
  public static let all: [any MergeMethod.Type] = [
    DroppedShortcut.self,
    InputBasedMerge.self,
    WeightBasedMerge.self,
    ExactMerge.self,
    LeastSquaresMerge.self,
    CalibratedMerge.self,
    AutomaticMerge.self,
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
    _ requested: String?, for adapter: Adapter, hasBase: Bool, hasCalibration: Bool = false,
    profile: MergeInputs.Profile = .standard
  ) throws(MergeError) -> (method: any MergeMethod.Type, reason: String?) {
    if let requested {
      let method = try named(requested)
      if adapter.structure == .blockShortcut, method.estimates {
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
      if hasCalibration, profile == .standard {
        return (CalibratedMerge.self, "captured inputs to fit on are at hand")
      }
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

  /// Captured inputs to fit on: for methods that need them, and to cut ranks by.
  public var calibration: Calibration?
  /// The paper's merge that fits are drawn towards, where it is known already; nil has each fit make
  /// it, which may read the base.
  public var paper: PaperMerge?
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
  /// The same with the steps of a fit on captured inputs.
  public var fitProgress: @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }

  /// Collects inputs.
  public init(
    base: (any TensorSource)? = nil, calibration: Calibration? = nil, profile: Profile = .standard,
    allowsNonFinite: Bool = false, threads: Int = 1
  ) {
    self.base = base
    self.calibration = calibration
    self.profile = profile
    self.allowsNonFinite = allowsNonFinite
    self.threads = threads
  }
}
