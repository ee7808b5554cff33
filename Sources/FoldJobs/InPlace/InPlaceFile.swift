internal import ByteIO
package import Safetensors
package import Tensors

/// A safetensors file whose tensors are overwritten in place, as a sink for tiles.
///
/// Header, size and everything that is not written stay. Nothing here makes it safe against a
/// crash: that is what `InPlaceJournal` is for.
package final class InPlaceFile: TensorSink {
  /// The header, which never changes.
  package let header: SafetensorsHeader

  let file: UpdatableFile

  /// The file's path.
  package var path: String { file.path }
  /// The file's size in bytes.
  package var size: Int { file.size }
  /// The tensors in the order of their data.
  package var tensors: [TensorInfo] { header.tensors }

  /// Opens a file that is open for reading a second time, for writing, and locks it.
  ///
  /// - Throws: `FileError.hasOtherNames` for a link, `FileError.inUse` where another run has it;
  ///   `InPlaceError.changed`, `SystemError`.
  package init(_ source: SafetensorsFile) throws {
    file = try UpdatableFile(path: source.label)
    header = source.header
    let start = try file.bytes(at: 0, count: min(file.size, source.header.dataStart))
    let expected = littleEndianBytes(UInt64(source.header.text.count)) + source.header.text
    guard file.size == source.size, start == expected else {
      throw InPlaceError.changed(path: file.path)
    }
  }

  /// The position in the file of a tensor's byte.
  package func position(tensor index: Int, at byteOffset: Int) -> Int {
    header.dataStart + header.offsets[index] + byteOffset
  }

  /// Overwrites bytes of a tensor.
  package func write(
    _ bytes: UnsafeRawBufferPointer, tensor index: Int, at byteOffset: Int
  ) throws {
    precondition(byteOffset >= 0 && bytes.count <= tensors[index].byteCount - byteOffset)
    try unsafe file.write(bytes, at: position(tensor: index, at: byteOffset))
  }

  /// Reads bytes of a tensor as the file has them now.
  package func readBack(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    try unsafe file.read(at: position(tensor: index, at: byteOffset), into: buffer)
  }
}
