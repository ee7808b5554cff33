public import Tensors

/// Which base weight belongs to which block or update (Merging §6.3, Updates §6).
public struct BaseMatch: Sendable {
  /// The prefix taken off names and the one put before them instead.
  public let substitution: Substitution
  /// Each one's weight by its position in the base; nil where it has none and that is allowed.
  public let weights: [Int?]

  /// The dtypes of weights that the package computes with.
  public static let arithmeticDTypes: Set<DType> = [.f64, .f32, .f16, .bf16]

  /// The most comparisons of names that looking for the nearest ones may take.
  private static let maximumComparisons = 500_000

  /// Finds the substitution that matches most of what is wanted and checks every weight's shape and
  /// dtype. Of one tensor different experts may be wanted, everything else once.
  ///
  /// - Parameters:
  ///   - allowingUnmatched: whether what has no weight is left out instead.
  ///   - allowedDTypes: the dtypes a weight may have.
  /// - Throws: `BaseMatchError` that lists all at fault; where not one matches, even if unmatched
  ///   ones are allowed.
  public init(
    _ wanted: [Wanted], in base: any TensorSource, allowingUnmatched: Bool,
    allowedDTypes: Set<DType> = arithmeticDTypes
  ) throws(BaseMatchError) {
    let flattened = wanted.contains { $0.naming == .flattened } ? FlattenedNames(base) : nil
    let (best, matched) = BaseMatch.substitution(for: wanted, in: base)
    substitution = best
    let candidates = base.tensors.map(\.name)
    // Where thousands have no weight, the first will do to see why.
    var searches = max(20, BaseMatch.maximumComparisons / max(1, candidates.count))
    var faults: [BaseMatchError.Fault] = []
    var owners: [Part: TensorName] = [:]
    var firstOwners: [Int: TensorName] = [:]
    var weights: [Int?] = []
    let flattenedMatched = wanted.contains { !(flattened?.indices(of: $0).isEmpty ?? true) }
    for item in wanted {
      var found = best.apply(item).flatMap(base.index(of:))
      if item.naming == .flattened, let flattened {
        let indices = flattened.indices(of: item)
        if indices.count > 1 {
          faults.append(
            .ambiguous(block: item.name, weights: indices.map { base.tensors[$0].name }))
        }
        found = indices.first
      }
      weights.append(found)
      guard let index = found else {
        if !allowingUnmatched || matched == 0 && !flattenedMatched {
          searches -= 1
          let nearest =
            searches < 0 ? [] : NameDistance.nearest(to: item.tensorName, among: candidates)
          faults.append(.missing(block: item.name, nearest: nearest))
        }
        continue
      }
      let info = base.tensors[index]
      let part = Part(index: index, expert: item.expert)
      let owner =
        item.expert == nil
        ? firstOwners[index] : owners[part] ?? owners[Part(index: index, expert: nil)]
      if !item.fits(info.shape) {
        faults.append(
          .wrongShape(
            block: item.name, weight: info.name, found: info.shape, expected: item.shape))
      } else if !allowedDTypes.contains(info.dtype) {
        faults.append(
          .wrongDType(
            block: item.name, weight: info.name, found: info.dtype, allowed: allowedDTypes))
      } else if let owner {
        faults.append(.sharedWeight(block: item.name, other: owner, weight: info.name))
      } else {
        owners[part] = item.name
        firstOwners[index] = firstOwners[index] ?? item.name
      }
    }
    guard faults.isEmpty else { throw BaseMatchError(base: base.label, faults: faults) }
    self.weights = weights
  }

  /// Number of those that have a weight.
  public var matchedCount: Int { weights.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }

  /// What belongs to one only: a tensor, or an expert of it.
  private struct Part: Hashable {
    let index: Int
    let expert: Int?
  }
}
