public import Tensors

/// A source whose tensors lie uncompressed and contiguous in files.
public protocol FileBackedTensorSource: TensorSource {
  /// The file a tensor lies in and the position of its first byte.
  func location(of index: Int) -> (file: ReadableFile, offset: Int)
}

extension FileBackedTensorSource {
  /// Reads a tensor's bytes from its file.
  public func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let (file, offset) = location(of: index)
    try unsafe file.read(at: offset + byteOffset, into: buffer)
  }
}
