internal import Synchronization
internal import Tensors

/// A saved weight plus a low-rank delta, one tensor in the saved one's dtype, computed when it is
/// read and rounded once to nearest even (Updates §3.8).
///
/// Memory: the delta's factors, and of what is read about twice its size in float64.
final class SummedTensor: TensorSource {
  let label: String
  let tensors: [TensorInfo]
  private let saved: StoredMatrix
  private let load: WeightUpdate.Loader
  private let delta = Mutex<WeightDelta?>(nil)

  /// - Precondition: the delta has the saved matrix's size.
  init(_ saved: StoredMatrix, _ load: @escaping WeightUpdate.Loader) {
    label = saved.reference.source.label
    tensors = [saved.reference.info]
    self.saved = saved
    self.load = load
  }

  func index(of name: TensorName) -> Int? { tensors[0].name == name ? 0 : nil }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    guard unsafe !buffer.isEmpty else { return }
    let rowSize = saved.columns * tensors[0].dtype.elementByteCount
    // Row by row: a row is computed whole, however little of it is read.
    for row in (byteOffset / rowSize)...((byteOffset + buffer.count - 1) / rowSize) {
      let bytes = try bytes(ofRow: row)
      let first = max(byteOffset, row * rowSize)
      let end = min(byteOffset + buffer.count, (row + 1) * rowSize)
      unsafe bytes.withUnsafeBytes { source in
        unsafe UnsafeMutableRawBufferPointer(
          rebasing: buffer[(first - byteOffset)..<(end - byteOffset)]
        )
        .copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: source[(first - row * rowSize)..<(end - row * rowSize)]))
      }
    }
  }

  private func bytes(ofRow row: Int) throws -> [UInt8] {
    let delta = try delta.withLock { kept in
      if let kept { return kept }
      let loaded = try load(false)
      kept = loaded
      return loaded
    }
    var values = try saved.values(rows: row..<(row + 1))
    unsafe values.withUnsafeMutableBufferPointer { unsafe delta.add(rows: row..<(row + 1), to: $0) }
    return try Rounding.bytes(of: values, dtype: tensors[0].dtype, tensor: tensors[0].name)
  }
}
