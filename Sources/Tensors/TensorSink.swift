/// Where tensors of a known layout are written, in pieces and from several threads at once.
public protocol TensorSink: Sendable {
  /// The tensors in the order of their data, fixed before the first write.
  var tensors: [TensorInfo] { get }

  /// Writes `bytes` into tensor `index`, beginning `byteOffset` bytes into it.
  func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, at byteOffset: Int) throws

  /// Lets the output share the disk blocks of bytes of a tensor of the same dtype and shape.
  ///
  /// - Returns: false where it can't; then they are to be written.
  func share(
    _ reference: TensorReference, at byteOffset: Int, count: Int, tensor index: Int
  ) throws -> Bool

  /// Reads back what was written, for verification before the output gets its name.
  func readBack(tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer)
    throws
}

extension TensorSink {
  /// Most sinks share nothing.
  public func share(
    _ reference: TensorReference, at byteOffset: Int, count: Int, tensor index: Int
  ) throws -> Bool { false }
}
