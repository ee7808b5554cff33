import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// A base in memory, folded.
struct FoldedBase {
  let base: any TensorSource
  let plan: FoldPlan
  let sink: MemorySink
  let report: FoldReport

  init(
    _ base: any TensorSource, _ inputs: [FoldInput], _ settings: FoldSettings = FoldSettings(),
    threads: Int = 2, verification: Fold.Verification = .full, allowsNonFinite: Bool = false
  ) throws {
    self.base = base
    plan = try FoldPlan(base: base, inputs: inputs, settings: settings)
    sink = MemorySink(plan.tensors)
    report = try Fold(
      threads: threads, allowsNonFinite: allowsNonFinite, verification: verification
    ).run(plan, into: sink)
  }

  /// One adapter.
  init(
    _ base: any TensorSource, _ updates: [TestUpdate], weight: Double = 1, dtype: DType? = nil,
    threads: Int = 2, allowsNonFinite: Bool = false
  ) throws {
    try self.init(
      base, [FoldInput(label: "one", updates: updates.map(\.update), weight: weight)],
      FoldSettings(dtype: dtype), threads: threads, allowsNonFinite: allowsNonFinite)
  }

  private func position(_ name: TensorName) throws -> Int {
    try #require(sink.tensors.firstIndex { $0.name == name })
  }

  func bytes(_ name: TensorName) throws -> [UInt8] { sink.bytes(of: try position(name)) }

  func values(_ name: TensorName) throws -> [Double] { sink.values(of: try position(name)) }

  func dtype(_ name: TensorName) throws -> DType { sink.tensors[try position(name)].dtype }

  func before(_ name: TensorName) throws -> [Double] {
    try base.float64(of: try #require(base.index(of: name)))
  }

  /// The bytes of all tensors.
  var allBytes: [[UInt8]] { sink.tensors.indices.map(sink.bytes) }

  func figures(_ name: TensorName) throws -> FoldFigures {
    try #require(report.blocks.first { $0.weight == name })
  }

  /// Whether a tensor's elements are float64 values rounded once.
  ///
  /// Where 16-bit weights accumulate in float32, or another order of float64 sums, falls on the other
  /// side of a rounding boundary, elements may differ by one step: `share` of them at most.
  func expect(
    _ name: TensorName, is wanted: [Double], butFor share: Double = 0.001,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let (found, dtype) = (try values(name), try dtype(name))
    try #require(found.count == wanted.count, sourceLocation: sourceLocation)
    if dtype == .f64 {
      let isFine = zip(found, wanted).allSatisfy { abs($0 - $1) <= 1e-13 * max(1, abs($1)) }
      #expect(isFine, "\(name)", sourceLocation: sourceLocation)
      return
    }
    var differing = 0
    for (found, wanted) in zip(found, wanted) where found != Rounding.rounded(wanted, dtype) {
      differing += 1
      let isNear =
        abs(found - wanted) <= Rounding.step(at: wanted, dtype) * 0.51
        || abs(found - wanted) < 0x1p-20
      #expect(isNear, "\(name): \(found) for \(wanted)", sourceLocation: sourceLocation)
    }
    #expect(
      Double(differing) <= share * Double(wanted.count), "\(name): \(differing) of \(found.count)",
      sourceLocation: sourceLocation)
  }

  /// Whether a tensor's figures equal their definitions, given the exact new values.
  func expectFigures(
    _ name: TensorName, wanted: [Double], before given: [Double]? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try given ?? before(name)
    let (after, dtype, figures) = (try values(name), try dtype(name), try figures(name))
    var (deltas, residuals, unchanged) = (0.0, 0.0, 0)
    for i in before.indices {
      let delta = wanted[i] - before[i]
      let residual = after[i] - before[i] - delta
      deltas += delta * delta
      residuals += residual * residual
      if delta != 0, after[i] == Rounding.rounded(before[i], dtype) { unchanged += 1 }
    }
    #expect(agree(figures.deltaNorm, deltas.squareRoot(), to: 1e-9), sourceLocation: sourceLocation)
    if dtype != .f64 {
      #expect(
        agree(figures.realisedError, (residuals / deltas).squareRoot(), to: 1e-5),
        sourceLocation: sourceLocation)
      let share = Double(unchanged) / Double(before.count)
      #expect(abs(figures.unchangedShare - share) < 1e-9, sourceLocation: sourceLocation)
    }
  }
}
