internal import ByteIO
internal import Synchronization
internal import Tensors

/// Tensors of a source in another dtype, each element rounded once, to nearest even.
struct ConvertedTensors: TensorSource {
  let tensors: [TensorInfo]
  private let source: any TensorSource

  /// - Throws: `TensorInfoError` for sizes that do not fit 64 bits.
  init(_ source: any TensorSource, _ dtype: DType) throws {
    self.source = source
    tensors = try source.tensors.map { try $0.converted(to: dtype) }
  }

  var label: String { source.label }

  func index(of name: TensorName) -> Int? { source.index(of: name) }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let (from, to) = (source.tensors[index], tensors[index])
    if from.dtype == to.dtype {
      return try unsafe source.read(tensor: index, at: byteOffset, into: buffer)
    }
    // Whole elements around the range; pieces are small, for writers ask for small ones.
    let width = to.dtype.elementByteCount
    let first = byteOffset / width
    let count = (byteOffset + buffer.count + width - 1) / width - first
    let size = from.dtype.elementByteCount
    let raw = try source.bytes(of: index, range: (first * size)..<((first + count) * size))
    let values = unsafe raw.withUnsafeBytes {
      unsafe Conversion.float64(from: $0, dtype: from.dtype)
    }
    let bytes = try Rounding.bytes(of: values, dtype: to.dtype, tensor: to.name)
    unsafe bytes.withUnsafeBytes {
      unsafe buffer.copyMemory(
        from: UnsafeRawBufferPointer(
          rebasing: $0[(byteOffset - first * width)...].prefix(buffer.count)))
    }
  }
}

/// The factors of a plain LoRA as tensors, computed when they are read.
///
/// Memory: the factors of two blocks in their dtypes, and of one in float64.
struct PlainLoRATensors: TensorSource {
  let label = "the merged adapter"
  let tensors: [TensorInfo]
  private let lora: any PlainLoRA
  private let indices: [TensorName: Int]
  private let recent = Recent()

  /// - Throws: `AdapterError.duplicateBlock`.
  init(_ lora: any PlainLoRA, _ dtype: DType?) throws {
    self.lora = lora
    tensors = try lora.blocks.flatMap { block in
      [
        try TensorInfo(
          name: FactorName.tensor(block.name, FactorName.a(0, of: 1)),
          dtype: dtype ?? block.aDType, shape: [block.rank, block.inFeatures]),
        try TensorInfo(
          name: FactorName.tensor(block.name, FactorName.b(0, of: 1)),
          dtype: dtype ?? block.bDType, shape: [block.outFeatures, block.rank]),
      ]
    }
    indices = Dictionary(tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
    var names: Set<TensorName> = []
    for block in lora.blocks where !names.insert(block.name).inserted {
      throw AdapterError.duplicateBlock(block.name)
    }
  }

  func index(of name: TensorName) -> Int? { indices[name] }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let (a, b) = try recent.bytes(of: index / 2) {
      let factors = try lora.factors(of: index / 2)
      let block = index / 2
      return (
        try Rounding.bytes(
          of: factors.a.values, dtype: tensors[2 * block].dtype, tensor: tensors[2 * block].name),
        try Rounding.bytes(
          of: factors.b.values, dtype: tensors[2 * block + 1].dtype,
          tensor: tensors[2 * block + 1].name)
      )
    }
    unsafe (index % 2 == 0 ? a : b).withUnsafeBytes {
      unsafe buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[byteOffset..<(byteOffset + buffer.count)]))
    }
  }

  /// The two blocks read last: a writer that goes through a file's tensors in order alternates
  /// between no more.
  private final class Recent: Sendable {
    typealias Bytes = (a: [UInt8], b: [UInt8])
    private let kept = Mutex<[(block: Int, bytes: Bytes)]>([])

    func bytes(of block: Int, _ compute: () throws -> Bytes) rethrows -> Bytes {
      try kept.withLock { kept in
        if let found = kept.first(where: { $0.block == block }) { return found.bytes }
        let bytes = try compute()
        kept = kept.suffix(1) + [(block, bytes)]
        return bytes
      }
    }
  }
}

/// One rounding into the dtype a factor is written in.
enum Rounding {
  /// - Throws: `AdapterError.overflow` for a finite element that would be written as an infinity.
  static func bytes(
    of values: [Double], dtype: DType, tensor: TensorName
  ) throws(AdapterError) -> [UInt8] {
    // Rounding keeps order, so the largest element tells of all.
    let largest = values.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    let stored = unsafe Conversion.bytes(from: [largest], dtype: dtype).withUnsafeBytes {
      unsafe Conversion.float64(from: $0, dtype: dtype)
    }
    guard stored.allSatisfy(\.isFinite) else {
      throw .overflow(tensor: tensor, dtype: dtype, found: largest)
    }
    return Conversion.bytes(from: values, dtype: dtype)
  }
}
