internal import ByteIO
package import Safetensors
package import Tensors

/// A checkpoint in one or several files whose tensors are overwritten in place.
package final class InPlaceCheckpoint: TensorSink {
  /// The files in the order of their tensors.
  package let files: [InPlaceFile]
  /// All tensors, file by file.
  package let tensors: [TensorInfo]

  private let places: [(file: Int, index: Int)]

  /// Opens and locks all files.
  ///
  /// - Throws: as `InPlaceFile`.
  package init(_ sources: [SafetensorsFile]) throws {
    files = try sources.map { try InPlaceFile($0) }
    tensors = files.flatMap(\.tensors)
    places = files.enumerated().flatMap { file, opened in
      opened.tensors.indices.map { (file, $0) }
    }
  }

  /// Where bytes of a tensor lie, for the journal.
  package func span(tensor index: Int, at byteOffset: Int, count: Int) -> InPlaceSpan {
    let (file, tensor) = places[index]
    return InPlaceSpan(
      file: file, offset: files[file].position(tensor: tensor, at: byteOffset), count: count)
  }

  /// Overwrites bytes of a tensor.
  package func write(
    _ bytes: UnsafeRawBufferPointer, tensor index: Int, at byteOffset: Int
  ) throws {
    try unsafe files[places[index].file].write(bytes, tensor: places[index].index, at: byteOffset)
  }

  /// Reads bytes of a tensor as its file has them now.
  package func readBack(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    try unsafe files[places[index].file].readBack(
      tensor: places[index].index, at: byteOffset, into: buffer)
  }
}

/// Bytes of a file that a group of a fold in place overwrites.
package struct InPlaceSpan: Sendable, Equatable {
  /// The number of the file.
  package let file: Int
  /// The position in the file of the first byte.
  package let offset: Int
  /// The number of bytes.
  package let count: Int

  /// Names bytes of a file.
  package init(file: Int, offset: Int, count: Int) {
    self.file = file
    self.offset = offset
    self.count = count
  }
}
