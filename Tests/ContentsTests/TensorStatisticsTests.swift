import Contents
import LoRATestSupport
import Synchronization
import Tensors
import TestSupport
import Testing

/// What `--stats` says of a tensor, against two passes of plain float64.
@Suite struct TensorStatisticsTests {
  /// The definitions (Command line §2.2), in two passes.
  private struct Oracle {
    let minimum: Double?
    let maximum: Double?
    let mean: Double?
    let deviation: Double?
    let norm: Double
    let zeros: Int
    let nonFinite: Int

    init(_ values: [Double]) {
      let finite = values.filter { $0.isFinite }
      minimum = finite.min()
      maximum = finite.max()
      nonFinite = values.count - finite.count
      zeros = finite.filter { $0 == 0 }.count
      norm = finite.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard !finite.isEmpty else {
        mean = nil
        deviation = nil
        return
      }
      // Differences from a rounded mean; what rounding took of it comes off again.
      let mean = finite.reduce(0, +) / Double(finite.count)
      let rest = finite.reduce(0) { $0 + ($1 - mean) } / Double(finite.count)
      let squares = finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      self.mean = mean
      deviation = (squares / Double(finite.count) - rest * rest).squareRoot()
    }
  }

  private func expect(
    _ values: [Double], dtype: DType, _ tolerance: Double = 1e-12,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let source = try MemoryTensorSource([
      TestTensor("x", [values.count], dtype: dtype, values: values)
    ])
    let found = try #require(
      try TensorStatistics(source, 0), sourceLocation: sourceLocation)
    let oracle = Oracle(values)
    #expect(found.minimum == oracle.minimum, sourceLocation: sourceLocation)
    #expect(found.maximum == oracle.maximum, sourceLocation: sourceLocation)
    #expect(found.zeros == oracle.zeros, sourceLocation: sourceLocation)
    #expect(found.nonFinite == oracle.nonFinite, sourceLocation: sourceLocation)
    #expect(agree(found.norm, oracle.norm, to: tolerance), sourceLocation: sourceLocation)
    #expect((found.mean == nil) == (oracle.mean == nil), sourceLocation: sourceLocation)
    // The mean of numbers of both signs is as exact as their size allows.
    let size = abs(oracle.maximum ?? 0) + abs(oracle.minimum ?? 0)
    #expect(
      abs((found.mean ?? 0) - (oracle.mean ?? 0)) <= tolerance * size,
      sourceLocation: sourceLocation)
    #expect((found.deviation == nil) == (oracle.deviation == nil), sourceLocation: sourceLocation)
    #expect(
      agree(found.deviation ?? 0, oracle.deviation ?? 0, to: tolerance),
      sourceLocation: sourceLocation)
  }

  /// Sixteenths, which are exact in every dtype, none of them 0.
  private func sixteenths(_ count: Int, seed: UInt64 = 1) -> [Double] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      Double(Int.random(in: 1...255, using: &generator))
        * (Bool.random(using: &generator) ? 1 : -1) / 16
    }
  }

  @Test("numbers of every dtype", arguments: [DType.f64, .f32, .f16, .bf16])
  func dtypes(_ dtype: DType) throws {
    try expect(sixteenths(1000), dtype: dtype)
    try expect(sixteenths(1000) + [0, -0.0, 0], dtype: dtype)
    try expect([3], dtype: dtype)
    try expect([-0.0], dtype: dtype)
  }

  @Test("NaN and infinities are counted and left out", arguments: [DType.f64, .f32, .f16, .bf16])
  func nonFinite(_ dtype: DType) throws {
    try expect([.nan, 1, .infinity, 0, -2, -.infinity, -.nan, 0.5], dtype: dtype)
    try expect([.infinity] + sixteenths(100) + [.nan], dtype: dtype)
    try expect([.nan, -.infinity], dtype: dtype)
  }

  @Test("no element at all", arguments: [DType.f64, .f32, .f16, .bf16])
  func empty(_ dtype: DType) throws {
    let source = try MemoryTensorSource([TestTensor("x", [3, 0], dtype: dtype)])
    let found = try #require(try TensorStatistics(source, 0))
    #expect(found.minimum == nil && found.maximum == nil)
    #expect(found.mean == nil && found.deviation == nil)
    #expect(found.norm == 0 && found.zeros == 0 && found.nonFinite == 0)
  }

  @Test("elements that are all alike do not deviate", arguments: [0.1, 1e300, 1e-200])
  func alike(_ value: Double) throws {
    let source = try MemoryTensorSource([
      TestTensor("x", [1000], dtype: .f64, values: [Double](repeating: value, count: 1000))
    ])
    let found = try #require(try TensorStatistics(source, 0))
    #expect(found.deviation == 0)
    #expect(found.minimum == value && found.maximum == value)
    if value < 1e200 {
      #expect(agree(found.mean ?? 0, value, to: 1e-13))
    }
  }

  @Test("a small deviation around a large mean")
  func offset() throws {
    try expect((0..<1000).map { 1e8 + Double($0 % 7) }, dtype: .f64)
    try expect((0..<1000).map { -1e12 + Double($0 % 3) / 4 }, dtype: .f64)
  }

  @Test("one far element first, which costs what its distance takes from the rest")
  func outlier() throws {
    try expect([1e6] + sixteenths(10_000), dtype: .f64, 1e-9)
  }

  @Test("tensors of several mebibytes are read in pieces", arguments: [DType.f64, .f16])
  func pieces(_ dtype: DType) throws {
    let values = sixteenths(300_000, seed: 4) + [.nan] + sixteenths(230_001, seed: 5)
    let source = try MemoryTensorSource([
      TestTensor("x", [values.count], dtype: dtype, values: values)
    ])
    let calls = Mutex(0)
    let found = try #require(
      try TensorStatistics(source, 0) { calls.withLock { $0 += 1 } })
    let oracle = Oracle(values)
    #expect(calls.withLock { $0 } == (values.count * dtype.bitWidth / 8 + 1 << 20 - 1) >> 20)
    #expect(found.nonFinite == 1)
    #expect(found.minimum == oracle.minimum && found.maximum == oracle.maximum)
    #expect(agree(found.norm, oracle.norm, to: 1e-12))
    #expect(agree(found.deviation ?? 0, oracle.deviation ?? 1, to: 1e-11))
  }

  @Test("dtypes that nothing is computed with have none; all of a source, on any number of threads")
  func all() throws {
    let source = try MemoryTensorSource(
      [TestTensor("i", [3], dtype: .i32), TestTensor("b", [3], dtype: .f8E4M3)]
        + (0..<20).map { TestTensor(TensorName("x\($0)"), [$0]) })
    let one = try TensorStatistics.all(of: source, threads: 1)
    #expect(one.count == 22)
    #expect(one[0] == nil && one[1] == nil)
    #expect(one[7]?.maximum == 5 && one[7]?.mean == 3)
    #expect(try TensorStatistics.all(of: source, threads: 3) == one)
    struct Stop: Error {}
    #expect(throws: Stop.self) {
      try TensorStatistics.all(of: source, threads: 2) { throw Stop() }
    }
  }
}
