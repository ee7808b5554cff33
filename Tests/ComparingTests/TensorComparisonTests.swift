import Comparing
import Tensors
import TestSupport
import Testing

/// Differences between sets of tensors.
@Suite struct TensorComparisonTests {
  private func source(
    _ tensors: [(name: TensorName, dtype: DType, values: [Double])]
  ) throws -> MemoryTensorSource {
    MemoryTensorSource(
      label: "memory",
      tensors: try tensors.map { tensor in
        (
          try TensorInfo(name: tensor.name, dtype: tensor.dtype, shape: [tensor.values.count]),
          Conversion.bytes(from: tensor.values, dtype: tensor.dtype)
        )
      })
  }

  private func compare(
    _ a: [(name: TensorName, dtype: DType, values: [Double])],
    _ b: [(name: TensorName, dtype: DType, values: [Double])],
    _ tolerance: TensorComparison.Tolerance = .init()
  ) throws -> TensorComparison {
    try TensorComparison(source(a), source(b), tolerance: tolerance, threads: 2)
  }

  @Test("equal tensors are equal, NaN included")
  func equal() throws {
    let tensors: [(name: TensorName, dtype: DType, values: [Double])] = [
      ("x", .f32, [1, .nan, -0.0]), ("y", .bf16, [2]),
    ]
    let result = try compare(tensors, tensors)
    #expect(result.isEqual)
    #expect(result.differences.map(\.maximumAbsolute) == [0, 0])
    #expect(result.differences.map(\.ulp) == [0, 0])
  }

  @Test("absolute, relative and ulp distances")
  func distances() throws {
    let result = try compare(
      [("x", .f32, [1, 4, -1])], [("x", .f32, [1 + 0x1p-23, 4, -1 - 0x1p-22])])
    let difference = try #require(result.differences.first)
    #expect(difference.maximumAbsolute == 0x1p-22)
    #expect(difference.maximumRelative == 0x1p-22 / (1 + 0x1p-22))
    #expect(difference.ulp == 2)
    #expect(!result.isEqual)
  }

  @Test(
    "ulps count through zero, and both zeros are one",
    arguments: [
      (DType.f16, 0x1p-24), (.bf16, 0x1p-133), (.f32, 0x1p-149), (.f64, 0x1p-1074),
    ])
  func ulpsAcrossZero(_ dtype: DType, _ smallest: Double) throws {
    let result = try compare([("x", dtype, [smallest, 0])], [("x", dtype, [-smallest, -0.0])])
    #expect(result.differences.first?.ulp == 2)
    let zeros = try compare([("x", dtype, [0])], [("x", dtype, [-0.0])])
    #expect(zeros.differences.first?.ulp == 0)
    #expect(zeros.isEqual)
  }

  @Test("tolerances accept what they say")
  func tolerances() throws {
    let a: [(name: TensorName, dtype: DType, values: [Double])] = [("x", .f64, [1.0, 100])]
    let b: [(name: TensorName, dtype: DType, values: [Double])] = [("x", .f64, [1.5, 101])]
    #expect(try !compare(a, b, .init(absolute: 0.5)).isEqual)
    #expect(try compare(a, b, .init(absolute: 1)).isEqual)
    #expect(try !compare(a, b, .init(relative: 0.3)).isEqual)
    #expect(try compare(a, b, .init(relative: 0.34)).isEqual)
  }

  @Test("a NaN on one side is no small difference")
  func nan() throws {
    let result = try compare([("x", .f32, [1])], [("x", .f32, [.nan])], .init(absolute: 1e30))
    #expect(!result.isEqual)
    #expect(result.differences.first?.maximumAbsolute == .infinity)
  }

  @Test("other dtypes are compared by value, other shapes not at all")
  func mismatches() throws {
    let dtypes = try compare([("x", .f32, [1, 2])], [("x", .bf16, [1, 2])])
    #expect(dtypes.isEqual)
    #expect(dtypes.differences.first?.mismatch == "dtype F32 and BF16")
    let shapes = try compare([("x", .f32, [1, 2])], [("x", .f32, [1])])
    #expect(shapes.differences.first?.mismatch == "shape [2] and [1]")
    #expect(!shapes.isEqual)
  }

  @Test("integers that float64 can't tell apart differ")
  func wideIntegers() throws {
    let info = try TensorInfo(name: "x", dtype: .i64, shape: [1])
    func source(_ value: Int64) -> MemoryTensorSource {
      MemoryTensorSource(
        label: "m", tensors: [(info, withUnsafeBytes(of: value.littleEndian) { Array($0) })])
    }
    let result = try TensorComparison(
      source(1 << 53), source(1 << 53 + 1), tolerance: .init(), threads: 1)
    #expect(!result.isEqual)
    #expect(result.differences.first?.maximumAbsolute == 1)
    let close = try TensorComparison(
      source(.max), source(.max - 1), tolerance: .init(absolute: 1), threads: 1)
    #expect(close.isEqual)
  }

  @Test("tensors of one side only")
  func onlyOnOneSide() throws {
    let result = try compare(
      [("x", .f32, [1]), ("a", .f32, [1])], [("x", .f32, [1]), ("b", .f32, [1])])
    #expect(result.onlyInFirst == ["a"])
    #expect(result.onlyInSecond == ["b"])
    #expect(!result.isEqual)
  }

  @Test("dtypes without a decoder are compared byte by byte")
  func opaque() throws {
    let base = try MemoryTensorSource.random([("x", .f4, [300_000]), ("y", .f6E2M3, [8])])
    let other = try MemoryTensorSource.random(
      [("x", .f4, [300_000]), ("y", .f6E2M3, [8])], seed: 8)
    #expect(try TensorComparison(base, base, tolerance: .init(), threads: 2).isEqual)
    let result = try TensorComparison(base, other, tolerance: .init(), threads: 2)
    #expect(result.differences.allSatisfy { !$0.isEqual && $0.maximumAbsolute == nil })
  }

  @Test("a difference in the last piece of a long tensor is found")
  func lastPiece() throws {
    var values = [Double](repeating: 1, count: 300_001)
    let first = try source([("x", .f16, values)])
    values[300_000] = 2
    let second = try source([("x", .f16, values)])
    let result = try TensorComparison(first, second, tolerance: .init(), threads: 1)
    #expect(result.differences.first?.maximumAbsolute == 1)
  }
}
