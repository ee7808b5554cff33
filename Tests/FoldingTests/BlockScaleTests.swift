import Adapters
import Folding
import Tensors
import TestSupport
import Testing

/// Weights in F8_E4M3 with a scale for every 128 x 128 elements (Folding §4.3).
@Suite struct BlockScaleTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    let rows: Int
    let columns: Int
    var testDescription: String { "\(rows) x \(columns)" }
    var scales: [Int] { [(rows + 127) / 128, (columns + 127) / 128] }
  }

  static let shapes = [
    Shape(rows: 128, columns: 128), Shape(rows: 1, columns: 1), Shape(rows: 257, columns: 130),
    Shape(rows: 300, columns: 127), Shape(rows: 130, columns: 9001),
  ]

  /// A weight without NaN, its scales, and a tensor that nothing is computed with.
  static func base(
    _ shape: Shape, scales dtype: DType = .f32, byte: UInt8? = nil
  ) throws -> MemoryTensorSource {
    var generator = SeededGenerator(seed: 12)
    let codes = (0..<(shape.rows * shape.columns)).map { _ -> UInt8 in
      let code = UInt8.random(in: 0...255, using: &generator)
      return byte ?? (code & 0x7f == 0x7f ? 0 : code)
    }
    let count = shape.scales[0] * shape.scales[1]
    let scales = generator.values(count).map { 0.001 * (1.5 + $0) }
    return MemoryTensorSource(
      label: "base",
      tensors: [
        (
          try TensorInfo(name: "a.weight", dtype: .f8E4M3, shape: [shape.rows, shape.columns]),
          codes
        ),
        (
          try TensorInfo(name: "a.weight_scale_inv", dtype: dtype, shape: shape.scales),
          Conversion.bytes(from: scales, dtype: dtype)
        ),
        (try TensorInfo(name: "norm", dtype: .bf16, shape: [3]), [1, 2, 3, 4, 5, 6]),
      ])
  }

  /// The value of a code, by its bits.
  static func value(_ code: UInt8) -> Double {
    let (exponent, mantissa) = (Int(code >> 3 & 15), Double(code & 7))
    let magnitude =
      exponent == 0
      ? mantissa * 0x1p-9
      : (8 + mantissa) * Double(sign: .plus, exponent: exponent - 10, significand: 1)
    return code & 0x80 == 0 ? magnitude : -magnitude
  }

  /// Codes times the scales of their blocks.
  static func values(_ codes: [UInt8], _ scales: [Double], _ shape: Shape) -> [Double] {
    codes.indices.map { index in
      let (row, column) = (index / shape.columns, index % shape.columns)
      return value(codes[index]) * scales[row / 128 * shape.scales[1] + column / 128]
    }
  }

  private static func before(_ base: MemoryTensorSource, _ shape: Shape) throws -> [Double] {
    values(try base.bytes(of: 0), try base.float64(of: 1), shape)
  }

  private func update(_ shape: Shape, _ kind: TestUpdate.Kind = .product) -> TestUpdate {
    .sum(kind, "a", shape.rows, shape.columns, magnitude: 0.05)
  }

  @Test("a fold makes new scales and rounds to them", arguments: shapes, [DType.f32, .bf16])
  func requantised(_ shape: Shape, _ dtype: DType) throws {
    let base = try Self.base(shape, scales: dtype)
    let update = update(shape)
    let folded = try FoldedBase(base, [update])
    let before = try Self.before(base, shape)
    let wanted = update.applied(before, 1)
    let scales = try folded.values("a.weight_scale_inv")
    // The largest element of every block becomes the largest F8_E4M3 value.
    var largest = [Double](repeating: 0, count: scales.count)
    for (index, value) in wanted.enumerated() {
      let block = index / shape.columns / 128 * shape.scales[1] + index % shape.columns / 128
      largest[block] = max(largest[block], abs(value))
    }
    for (scale, largest) in zip(scales, largest) {
      #expect(agree(scale, Rounding.rounded(largest / 448, dtype), to: 1e-6))
    }
    let codes = try folded.bytes("a.weight")
    let stored = Self.values(codes, scales, shape)
    for index in wanted.indices {
      let scale = scales[
        index / shape.columns / 128 * shape.scales[1] + index % shape.columns / 128]
      let step = Rounding.step(at: min(448, abs(wanted[index]) / scale), .f8E4M3)
      // A scale that was rounded down leaves the largest value a little beyond 448.
      let beyond = max(0, abs(wanted[index]) - 448 * scale)
      #expect(
        abs(stored[index] - wanted[index]) <= max(step / 2 * scale, beyond) * 1.000001,
        "\(index)")
    }
    // The figures by their definition.
    let figures = try folded.figures("a.weight")
    var (deltas, residuals, unchanged) = (0.0, 0.0, 0)
    for index in wanted.indices {
      let delta = wanted[index] - before[index]
      deltas += delta * delta
      let residual = stored[index] - before[index] - delta
      residuals += residual * residual
      if delta != 0, stored[index] == before[index] { unchanged += 1 }
    }
    #expect(agree(figures.deltaNorm, deltas.squareRoot(), to: 1e-9))
    #expect(agree(figures.realisedError, (residuals / deltas).squareRoot(), to: 1e-9))
    #expect(figures.unchangedShare == Double(unchanged) / Double(wanted.count))
    #expect(try folded.bytes("norm") == base.bytes(of: 2))
  }

  @Test("another dtype multiplies the scales in and drops them", arguments: shapes)
  func dequantised(_ shape: Shape) throws {
    let base = try Self.base(shape)
    let before = try Self.before(base, shape)
    for dtype in [DType.bf16, .f32] {
      let update = update(shape)
      let folded = try FoldedBase(base, [update], dtype: dtype)
      #expect(folded.sink.tensors.map(\.name) == ["a.weight", "norm"])
      let wanted = update.applied(before, 1)
      try folded.expect("a.weight", is: wanted)
      try folded.expectFigures("a.weight", wanted: wanted, before: before)
      // A weight that no adapter changes is rounded once too.
      let other = TestUpdate.sum(.dense, "norm", 1, 3, shape: [3], parameter: .itself)
      let untouched = try FoldedBase(base, [other], dtype: dtype)
      #expect(
        try untouched.values("a.weight") == before.map { Rounding.rounded($0, dtype) })
    }
  }

  @Test("a weight that does not change keeps its bytes and its scales")
  func untouched() throws {
    let shape = Shape(rows: 200, columns: 150)
    let base = try Self.base(shape)
    let other = TestUpdate.sum(.dense, "norm", 1, 3, shape: [3], parameter: .itself)
    let folded = try FoldedBase(base, [other])
    #expect(try folded.bytes("a.weight") == base.bytes(of: 0))
    #expect(try folded.bytes("a.weight_scale_inv") == base.bytes(of: 1))
  }

  @Test("scales may lie in another shard than their weight")
  func apart() throws {
    let shape = Shape(rows: 300, columns: 260)
    let base = try Self.base(shape)
    let update = update(shape)
    let whole = try FoldedBase(base, [update])
    for parts in [[[0], [1, 2]], [[1], [2, 0]], [[2], [1], [0]]] {
      var reports: [FoldReport] = []
      for tensors in parts {
        let sink = MemorySink(tensors.map { base.tensors[$0] })
        reports.append(
          try Fold(threads: 3, verification: .full).run(whole.plan, tensors: tensors, into: sink))
        for (position, tensor) in tensors.enumerated() {
          #expect(sink.bytes(of: position) == whole.sink.bytes(of: tensor))
        }
      }
      let report = FoldReport.combined(reports)
      #expect(report.blocks.count == 1)
      #expect(report.blocks[0].realisedError == whole.report.blocks[0].realisedError)
      #expect(report.tensorsChanged == 1 && report.tensorsCopied == 2)
    }
  }

  @Test("other kinds of updates go through new scales too")
  func kinds() throws {
    let shape = Shape(rows: 258, columns: 132)
    let base = try Self.base(shape)
    let before = try Self.before(base, shape)
    let updates = try [
      update(shape, .hadamard), update(shape, .kronecker), update(shape, .dense),
      .rescaled("a", shape.rows, shape.columns, per: .row),
      .rescaled("a", shape.rows, shape.columns, per: .column),
      .replaced("a.weight", [shape.rows, shape.columns]),
    ]
    for update in updates {
      let folded = try FoldedBase(base, [update])
      let wanted = update.applied(before, 1)
      let stored = Self.values(
        try folded.bytes("a.weight"), try folded.values("a.weight_scale_inv"), shape)
      let largest = wanted.map(abs).max() ?? 0
      // Half a step in the uppermost binade.
      #expect(zip(stored, wanted).allSatisfy { abs($0 - $1) <= largest / 448 * 16.001 })
      #expect(try folded.figures("a.weight").realisedError.isFinite)
    }
  }

  @Test("a block of zeros stays zero, with a scale of 1")
  func zeros() throws {
    let shape = Shape(rows: 128, columns: 256)
    let base = try Self.base(shape, byte: 0)
    let update = WeightUpdate(
      module: "a", shape: [128, 256],
      action: .add { _ in
        var right = Matrix(rows: 1, columns: 256)
        right[0, 3] = 1
        return .product(
          PlainFactors(
            a: right,
            b: Matrix(rows: 128, columns: 1, values: [Double](repeating: 0.5, count: 128))))
      }, kind: "LoRA", loadedElements: 1)
    let folded = try FoldedBase(base, [FoldInput(label: "x", updates: [update])])
    #expect(
      try folded.values("a.weight_scale_inv") == [Double(Float(0.5 / 448)), 1])
    #expect(try folded.bytes("a.weight")[3] == 0x7e)
    #expect(try folded.bytes("a.weight")[128...255].allSatisfy { $0 == 0 })
  }

  @Test("a NaN is refused by name; where it is allowed it stays one element")
  func nonFinite() throws {
    let shape = Shape(rows: 130, columns: 140)
    let clean = try Self.base(shape)
    var codes = try clean.bytes(of: 0)
    codes[5 * 140 + 7] = 0x7f
    let base = MemoryTensorSource(
      label: "base",
      tensors: try clean.tensors.indices.map {
        (clean.tensors[$0], $0 == 0 ? codes : try clean.bytes(of: $0))
      })
    let update = update(shape)
    for dtype in [nil, DType.bf16] {
      #expect(throws: FoldError.nonFinite(base: "base", weights: ["a.weight"])) {
        try FoldedBase(base, [update], dtype: dtype)
      }
      let folded = try FoldedBase(base, [update], dtype: dtype, allowsNonFinite: true)
      let found = try folded.values("a.weight")
      #expect(found.indices.filter { !found[$0].isFinite } == [5 * 140 + 7])
      if dtype == nil {
        #expect(try folded.values("a.weight_scale_inv").allSatisfy(\.isFinite))
      }
    }
  }

  @Test("an 8-bit weight without scales that fit, and an 8-bit stack, are refused by name")
  func refusals() throws {
    let f8 = DType.f8E4M3
    let lone = MemoryTensorSource(
      label: "base",
      tensors: [
        (
          try TensorInfo(name: "a.weight", dtype: f8, shape: [4, 6]),
          [UInt8](repeating: 1, count: 24)
        ),
        // Of one row more than blocks.
        (
          try TensorInfo(name: "a.weight_scale_inv", dtype: .f32, shape: [2, 1]),
          [UInt8](repeating: 0, count: 8)
        ),
      ])
    let update = TestUpdate.sum(.product, "a", 4, 6)
    let error = #expect(throws: FoldPlanError.self) { try FoldedBase(lone, [update]) }
    #expect(
      error
        == .noBlockScales(
          base: "base", weight: "a.weight",
          expected: "'a.weight_scale_inv' of shape [1, 1]"))
    let stack = MemoryTensorSource(
      label: "base",
      tensors: [
        (
          try TensorInfo(name: "a.weight", dtype: f8, shape: [2, 4, 6]),
          [UInt8](repeating: 1, count: 48)
        )
      ])
    let expert = TestUpdate.sum(.product, "a", 4, 6, shape: [2, 4, 6], expert: 1)
    #expect(throws: FoldPlanError.quantisedStack(weight: "a.weight")) {
      try FoldedBase(stack, [expert])
    }
  }

  @Test("a scale below what its dtype holds is the smallest one there is, not zero")
  func tinyScales() throws {
    let base = MemoryTensorSource(
      label: "base",
      tensors: [
        (
          try TensorInfo(name: "a.weight", dtype: .f8E4M3, shape: [4, 4]),
          [UInt8](repeating: 0x38, count: 16)
        ),
        (
          try TensorInfo(name: "a.weight_scale_inv", dtype: .f16, shape: [1, 1]),
          Conversion.bytes(from: [0x1p-20], dtype: .f16)
        ),
      ])
    let update = TestUpdate.sum(.product, "a", 4, 4, magnitude: 1e-9)
    let plan = try FoldPlan(
      base: base, inputs: [FoldInput(label: "x", updates: [update.update])],
      settings: FoldSettings())
    let sink = MemorySink(plan.tensors)
    _ = try Fold(threads: 1).run(plan, into: sink)
    #expect(sink.values(of: 1) == [0x1p-24])
    let values = sink.bytes(of: 0).map { BlockScaleTests.value($0) * 0x1p-24 }
    #expect(values.allSatisfy { abs($0 - 0x1p-20) <= 0x1p-24 })
  }
}
