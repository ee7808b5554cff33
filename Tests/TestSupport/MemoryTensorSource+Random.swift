public import Tensors

extension MemoryTensorSource {
  /// Tensors of seeded random values.
  public static func random(
    _ tensors: [(name: TensorName, dtype: DType, shape: [Int])], magnitude: Double = 1,
    seed: UInt64 = 7
  ) throws -> MemoryTensorSource {
    var generator = SeededGenerator(seed: seed)
    return MemoryTensorSource(
      label: "base",
      tensors: try tensors.map { tensor in
        let info = try TensorInfo(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
        guard tensor.dtype.isArithmetic else {
          return (
            info, (0..<info.byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
          )
        }
        let values = generator.values(info.elementCount).map { $0 * magnitude }
        return (info, Conversion.bytes(from: values, dtype: tensor.dtype))
      })
  }
}
