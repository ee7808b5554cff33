/// Where tensors of a known layout are written, in pieces and from several threads at once.
public protocol TensorSink: Sendable {
  /// The tensors in the order of their data, fixed before the first write.
  var tensors: [TensorInfo] { get }

  /// Writes `bytes` into tensor `index`, beginning `byteOffset` bytes into it.
  func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, at byteOffset: Int) throws

  /// Copies `count` bytes of a tensor of the same dtype and shape from a source.
  ///
  /// `scratch` is working space for sinks that have no quicker way than reading and writing.
  func copy(
    _ reference: TensorReference, at byteOffset: Int, count: Int, tensor index: Int,
    scratch: UnsafeMutableRawBufferPointer
  ) throws

  /// Reads back what was written, for verification before the output gets its name.
  func readBack(tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer)
    throws
}

extension TensorSink {
  /// Copies by reading into `scratch` and writing, a piece at a time.
  package func copyThroughScratch(
    _ reference: TensorReference, at byteOffset: Int, count: Int, tensor index: Int,
    scratch: UnsafeMutableRawBufferPointer
  ) throws {
    precondition(!scratch.isEmpty)
    var done = 0
    while done < count {
      let piece = UnsafeMutableRawBufferPointer(
        rebasing: scratch[..<min(scratch.count, count - done)])
      try reference.source.read(tensor: reference.index, at: byteOffset + done, into: piece)
      try write(UnsafeRawBufferPointer(piece), tensor: index, at: byteOffset + done)
      done += piece.count
    }
  }
}
