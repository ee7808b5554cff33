import Tensors
import Testing

@Suite struct TensorInfoTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    let dtype: DType
    let shape: [Int]
    let elements: Int
    let bytes: Int
    var testDescription: String { "\(dtype.rawValue) \(shape)" }
  }

  @Test(arguments: [
    Shape(dtype: .f32, shape: [], elements: 1, bytes: 4),
    Shape(dtype: .f32, shape: [0], elements: 0, bytes: 0),
    Shape(dtype: .bf16, shape: [3, 0, 5], elements: 0, bytes: 0),
    Shape(dtype: .f64, shape: [0, .max, .max], elements: 0, bytes: 0),
    Shape(dtype: .f16, shape: [3, 5], elements: 15, bytes: 30),
    Shape(dtype: .u8, shape: [1, 1, 1, 1, 1, 1, 1, 7], elements: 7, bytes: 7),
    Shape(dtype: .u8, shape: [.max / 8], elements: .max / 8, bytes: .max / 8),
    Shape(dtype: .f4, shape: [2], elements: 2, bytes: 1),
    Shape(dtype: .f4, shape: [0], elements: 0, bytes: 0),
    Shape(dtype: .f6E2M3, shape: [4, 3], elements: 12, bytes: 9),
    Shape(dtype: .c64, shape: [2], elements: 2, bytes: 16),
  ])
  func sizesFollowFromShapeAndType(example: Shape) throws {
    let info = try TensorInfo(name: "x", dtype: example.dtype, shape: example.shape)
    #expect(info.elementCount == example.elements)
    #expect(info.byteCount == example.bytes)
    #expect(info.shape == example.shape)
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    let dtype: DType
    let shape: [Int]
    let error: TensorInfoError
    var testDescription: String { "\(error)" }
  }

  @Test(arguments: [
    Fault(
      dtype: .f32, shape: Array(repeating: 1, count: 9), error: .tooManyDimensions(found: 9)),
    Fault(dtype: .f32, shape: [2, -1], error: .negativeDimension(found: -1)),
    Fault(dtype: .f32, shape: [0, .min], error: .negativeDimension(found: .min)),
    Fault(dtype: .u8, shape: [.max, 2], error: .sizeOverflow(shape: [.max, 2])),
    Fault(
      dtype: .u8, shape: [1 << 32, 1 << 32, 0], error: .sizeOverflow(shape: [1 << 32, 1 << 32, 0])),
    Fault(dtype: .u8, shape: [.max / 8 + 1], error: .sizeOverflow(shape: [.max / 8 + 1])),
    Fault(dtype: .f64, shape: [1 << 58], error: .sizeOverflow(shape: [1 << 58])),
    Fault(dtype: .f4, shape: [3], error: .partialByte(dtype: .f4, elements: 3)),
    Fault(dtype: .f4, shape: [], error: .partialByte(dtype: .f4, elements: 1)),
    Fault(dtype: .f6E3M2, shape: [2, 5], error: .partialByte(dtype: .f6E3M2, elements: 10)),
  ])
  func impossibleTensorsAreRefused(fault: Fault) {
    #expect(throws: fault.error) {
      try TensorInfo(name: "x", dtype: fault.dtype, shape: fault.shape)
    }
  }

  @Test func conversionKeepsNameAndShape() throws {
    let info = try TensorInfo(name: "x", dtype: .f16, shape: [2, 3])
    let wide = try info.converted(to: .f64)
    #expect(try wide == TensorInfo(name: "x", dtype: .f64, shape: [2, 3]))
    #expect(throws: TensorInfoError.sizeOverflow(shape: [1 << 58])) {
      try TensorInfo(name: "x", dtype: .f16, shape: [1 << 58]).converted(to: .f64)
    }
  }

  @Test func memorySourceReadsWhatItHolds() throws {
    let first = try TensorInfo(name: "caf\u{e9}", dtype: .f32, shape: [2])
    let second = try TensorInfo(name: "cafe\u{301}", dtype: .u8, shape: [3])
    let source = MemoryTensorSource(
      label: "memory",
      tensors: [(first, Conversion.bytes(from: [1, -2], dtype: .f32)), (second, [7, 8, 9])])
    #expect(source.index(of: first.name) == 0)
    #expect(source.index(of: second.name) == 1)
    #expect(source.index(of: "other") == nil)
    #expect(try source.float64(of: 0) == [1, -2])
    #expect(try source.bytes(of: 1) == [7, 8, 9])
    var piece: [UInt8] = [0]
    try piece.withUnsafeMutableBytes { try source.read(tensor: 1, at: 2, into: $0) }
    #expect(piece == [9])
    #expect(TensorReference(source: source, index: 1).info == second)
  }
}
