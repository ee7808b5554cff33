internal import CKernels

/// Conversions between stored elements and float64, by exact rules: widening is exact, narrowing
/// rounds once to nearest, ties to even; subnormals, infinities and NaN are kept.
///
/// Buffers need not be aligned. Elements are little-endian, as every format here stores them; all
/// supported platforms are little-endian too.
public enum Conversion {
  /// Whether `float64(from:dtype:)` can decode elements of this type.
  public static func isDecodable(_ dtype: DType) -> Bool {
    switch dtype {
    case .f4, .f6E2M3, .f6E3M2, .c64: false
    default: true
    }
  }

  /// Decodes elements of a decodable dtype into float64.
  ///
  /// Exact for every type but 64-bit integers beyond 2^53, which round to nearest.
  public static func float64(from bytes: UnsafeRawBufferPointer, dtype: DType) -> [Double] {
    let count = bytes.count * 8 / dtype.bitWidth
    return unsafe [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe float64(
        from: bytes, dtype: dtype, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
  }

  /// Decodes elements into a buffer that has room for all of them.
  package static func float64(
    from bytes: UnsafeRawBufferPointer, dtype: DType,
    into target: UnsafeMutableBufferPointer<Double>
  ) {
    precondition(isDecodable(dtype), "\(dtype.rawValue) has no decoder")
    let count = bytes.count * 8 / dtype.bitWidth
    precondition(target.count >= count)
    guard count > 0, let output = target.baseAddress, let input = bytes.baseAddress else { return }
    switch dtype {
    case .f64: unsafe UnsafeMutableRawPointer(output).copyMemory(from: input, byteCount: count * 8)
    case .f32: unsafe aligned(input, count, Float.self) { unsafe rl_f32_to_f64($0, output, count) }
    case .f16: unsafe aligned(input, count, UInt16.self) { unsafe rl_f16_to_f64($0, output, count) }
    case .bf16:
      unsafe aligned(input, count, UInt16.self) { unsafe rl_bf16_to_f64($0, output, count) }
    case .i64: unsafe decode(bytes, target) { (x: Int64) in Double(x) }
    case .u64: unsafe decode(bytes, target) { (x: UInt64) in Double(x) }
    case .i32: unsafe decode(bytes, target) { (x: Int32) in Double(x) }
    case .u32: unsafe decode(bytes, target) { (x: UInt32) in Double(x) }
    case .i16: unsafe decode(bytes, target) { (x: Int16) in Double(x) }
    case .u16: unsafe decode(bytes, target) { (x: UInt16) in Double(x) }
    case .i8: unsafe decode(bytes, target) { (x: Int8) in Double(x) }
    case .u8, .bool: unsafe decode(bytes, target) { (x: UInt8) in Double(x) }
    case .f8E4M3: unsafe rl_f8e4m3_to_f64(input.assumingMemoryBound(to: UInt8.self), output, count)
    case .f8E5M2, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ:
      unsafe decode(bytes, target) { (x: UInt8) in SmallFloat.decode(x, as: dtype) }
    case .f4, .f6E2M3, .f6E3M2, .c64: break
    }
  }

  /// Encodes float64 values as elements of an arithmetic dtype.
  public static func bytes(from values: [Double], dtype: DType) -> [UInt8] {
    let count = values.count * dtype.elementByteCount
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      unsafe values.withUnsafeBufferPointer { unsafe encode($0, dtype: dtype, into: raw) }
      initialized = count
    }
  }

  /// Encodes float64 values into a buffer that has room for all of them.
  package static func encode(
    _ values: UnsafeBufferPointer<Double>, dtype: DType, into target: UnsafeMutableRawBufferPointer
  ) {
    precondition(dtype.isArithmetic, "\(dtype.rawValue) is no type to compute in")
    precondition(target.count >= values.count * dtype.elementByteCount)
    let count = values.count
    guard count > 0, let input = values.baseAddress, let output = target.baseAddress else { return }
    switch dtype {
    case .f64: unsafe output.copyMemory(from: input, byteCount: count * 8)
    case .f32:
      unsafe alignedOutput(output, count, Float.self) { unsafe rl_f64_to_f32(input, $0, count) }
    case .f16:
      unsafe alignedOutput(output, count, UInt16.self) { unsafe rl_f64_to_f16(input, $0, count) }
    default:
      unsafe alignedOutput(output, count, UInt16.self) { unsafe rl_f64_to_bf16(input, $0, count) }
    }
  }

  private static func decode<Stored: BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ target: UnsafeMutableBufferPointer<Double>,
    _ convert: (Stored) -> Double
  ) {
    let size = MemoryLayout<Stored>.size
    for i in 0..<(bytes.count / size) {
      unsafe target.initializeElement(
        at: i, to: convert(bytes.loadUnaligned(fromByteOffset: i * size, as: Stored.self)))
    }
  }

  /// Calls `body` with `count` elements at `pointer`, through a copy if they are not aligned.
  static func aligned<T: BitwiseCopyable>(
    _ pointer: UnsafeRawPointer, _ count: Int, _ type: T.Type, _ body: (UnsafePointer<T>) -> Void
  ) {
    if Int(bitPattern: pointer) % MemoryLayout<T>.alignment == 0 {
      unsafe body(pointer.assumingMemoryBound(to: T.self))
    } else {
      unsafe withUnsafeTemporaryAllocation(of: T.self, capacity: count) { copy in
        guard let start = copy.baseAddress else { return }
        unsafe UnsafeMutableRawPointer(start).copyMemory(
          from: pointer, byteCount: count * MemoryLayout<T>.size)
        unsafe body(start)
      }
    }
  }

  private static func alignedOutput<T: BitwiseCopyable>(
    _ pointer: UnsafeMutableRawPointer, _ count: Int, _ type: T.Type,
    _ body: (UnsafeMutablePointer<T>) -> Void
  ) {
    if Int(bitPattern: pointer) % MemoryLayout<T>.alignment == 0 {
      unsafe body(pointer.assumingMemoryBound(to: T.self))
    } else {
      unsafe withUnsafeTemporaryAllocation(of: T.self, capacity: count) { copy in
        guard let start = copy.baseAddress else { return }
        unsafe body(start)
        unsafe pointer.copyMemory(from: start, byteCount: count * MemoryLayout<T>.size)
      }
    }
  }
}
