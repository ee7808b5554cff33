internal import Synchronization
public import Tensors

/// A sink that keeps what is written, and can lie about it.
public final class MemorySink: TensorSink {
  /// The tensors laid out.
  public let tensors: [TensorInfo]

  private let contents: Mutex<[[UInt8]]>
  private let lie: (tensor: Int, byte: Int)?

  /// Lays out tensors; a `lie` flips one stored byte on its way in.
  public init(_ tensors: [TensorInfo], lie: (tensor: Int, byte: Int)? = nil) {
    self.tensors = tensors
    self.lie = lie
    contents = Mutex(tensors.map { [UInt8](repeating: 0, count: $0.byteCount) })
  }

  /// The bytes of a tensor.
  public func bytes(of index: Int) -> [UInt8] { contents.withLock { $0[index] } }

  /// The values of a tensor.
  public func values(of index: Int) -> [Double] {
    bytes(of: index).withUnsafeBytes {
      Conversion.float64(from: $0, dtype: tensors[index].dtype)
    }
  }

  /// Stores bytes.
  public func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, at byteOffset: Int) throws {
    contents.withLock {
      $0[index].replaceSubrange(byteOffset..<(byteOffset + bytes.count), with: bytes)
      if let lie, lie.tensor == index, lie.byte >= byteOffset, lie.byte < byteOffset + bytes.count {
        $0[index][lie.byte] ^= 1
      }
    }
  }

  /// Gives stored bytes back.
  public func readBack(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    contents.withLock {
      buffer.copyBytes(from: $0[index][byteOffset..<(byteOffset + buffer.count)])
    }
  }
}
