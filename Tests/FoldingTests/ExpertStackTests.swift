import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// Folds into single experts of stacked weights.
@Suite struct ExpertStackTests {
  private let (experts, rows, columns) = (5, 12, 18)

  private func update(
    _ kind: TestUpdate.Kind, _ expert: Int, seed: UInt64 = 5, module: TensorName = "experts"
  ) -> TestUpdate {
    .sum(
      kind, module, rows, columns, shape: [experts, rows, columns], expert: expert, seed: seed)
  }

  private func slice<Element>(_ values: [Element], _ expert: Int, width: Int = 1) -> [Element] {
    let size = rows * columns * width
    return Array(values[(expert * size)..<((expert + 1) * size)])
  }

  @Test(
    "only the experts' rows change, all others stay byte-identical",
    arguments: TestUpdate.Kind.allCases, [DType.bf16, .f32])
  func slices(_ kind: TestUpdate.Kind, _ dtype: DType) throws {
    let base = try MemoryTensorSource.random([
      ("experts.weight", dtype, [experts, rows, columns]), ("other", dtype, [3]),
    ])
    let (one, other) = (update(kind, 3, seed: 40), update(kind, 1, seed: 41))
    let folded = try FoldedBase(base, [one, other])
    let (before, after) = (try base.float64(of: 0), try folded.values("experts.weight"))
    let (old, new) = (try base.bytes(of: 0), try folded.bytes("experts.weight"))
    for expert in [0, 2, 4] {
      let width = dtype.bitWidth / 8
      #expect(slice(old, expert, width: width) == slice(new, expert, width: width))
    }
    for (expert, update) in [(3, one), (1, other)] {
      let wanted = update.applied(slice(before, expert), 1)
      let found = slice(after, expert)
      let differing = zip(found, wanted).count { $0 != Rounding.rounded($1, dtype) }
      #expect(differing <= 2)
      #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= Rounding.step(at: $1, dtype) })
    }
    #expect(folded.report.blocks.map(\.block) == ["experts[3]", "experts[1]"])
    #expect(folded.report.tensorsChanged == 1)
  }

  @Test("experts that do not change are converted when the dtype changes")
  func dtype() throws {
    let base = try MemoryTensorSource.random([("experts.weight", .f32, [experts, rows, columns])])
    let update = update(.product, 2)
    let folded = try FoldedBase(base, [update], dtype: .bf16)
    let before = try base.float64(of: 0)
    var wanted = before
    let size = rows * columns
    wanted.replaceSubrange((2 * size)..<(3 * size), with: update.applied(slice(before, 2), 1))
    try folded.expect("experts.weight", is: wanted)
  }

  @Test("two adapters meet in one expert, and pass each other in others")
  func twoAdapters() throws {
    let base = try MemoryTensorSource.random([("experts.weight", .f32, [experts, rows, columns])])
    let updates = [update(.product, 0, seed: 1), update(.product, 0, seed: 2), update(.dense, 4)]
    let folded = try FoldedBase(
      base,
      [
        FoldInput(label: "x", updates: [updates[0].update], weight: 0.5),
        FoldInput(label: "y", updates: [updates[1].update, updates[2].update], weight: 3),
      ])
    let before = try base.float64(of: 0)
    let size = rows * columns
    var wanted = before
    wanted.replaceSubrange(
      0..<size, with: updates[1].applied(updates[0].applied(slice(before, 0), 0.5), 3))
    wanted.replaceSubrange((4 * size)..<(5 * size), with: updates[2].applied(slice(before, 4), 3))
    try folded.expect("experts.weight", is: wanted)
  }

  @Test("a whole stack and one of its experts can't be joined", arguments: [0, 3])
  func wholeAndExpert(_ expert: Int) throws {
    let base = try MemoryTensorSource.random([("experts.weight", .f32, [experts, rows, columns])])
    let whole = try TestUpdate.replaced("experts.weight", [experts, rows, columns])
    let inputs = [
      FoldInput(label: "x", updates: [whole.update]),
      FoldInput(label: "y", updates: [update(.product, expert).update]),
    ]
    for inputs in [inputs, inputs.reversed()] {
      #expect(throws: FoldPlanError.self) {
        try FoldPlan(base: base, inputs: inputs, settings: FoldSettings())
      }
    }
  }
}
