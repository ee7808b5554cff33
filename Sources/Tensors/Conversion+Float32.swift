internal import CKernels

extension Conversion {
  /// Decodes elements of an arithmetic dtype into float32; F64 rounds to nearest.
  package static func float32(
    from bytes: UnsafeRawBufferPointer, dtype: DType, into target: UnsafeMutablePointer<Float>
  ) {
    precondition(dtype.isArithmetic, "\(dtype.rawValue) is no type to compute in")
    let count = bytes.count / dtype.elementByteCount
    guard count > 0, let input = bytes.baseAddress else { return }
    switch dtype {
    case .f64: unsafe aligned(input, count, Double.self) { unsafe rl_f64_to_f32($0, target, count) }
    case .f32: unsafe UnsafeMutableRawPointer(target).copyMemory(from: input, byteCount: count * 4)
    case .f16: unsafe aligned(input, count, UInt16.self) { unsafe rl_f16_to_f32($0, target, count) }
    default: unsafe aligned(input, count, UInt16.self) { unsafe rl_bf16_to_f32($0, target, count) }
    }
  }
}
