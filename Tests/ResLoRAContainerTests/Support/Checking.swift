import ByteIO
import ResLoRAContainer
import TestSupport
import Tensors

/// Whole checks of files.
enum Checking {
  static func errors(of bytes: [UInt8], limit: Int = 1000) throws -> [ContainerError] {
    let folder = TemporaryFolder()
    let path = folder.file("checked.reslora")
    try FileSystem.write(bytes, to: path)
    return try ContainerValidation(of: ReadableFile(path: path), limit: limit).errors
  }

  /// What a file holds, for comparing: nil where it is refused anywhere.
  static func content(
    of bytes: [UInt8], in folder: TemporaryFolder = TemporaryFolder()
  ) throws -> Content? {
    let path = folder.file("checked.reslora")
    try FileSystem.write(bytes, to: path)
    do {
      let file = try ContainerFile(path: path)
      return Content(
        description: file.description, tensors: file.tensors,
        bytes: try file.tensors.indices.map { try file.bytes(of: $0) },
        ancillary: try file.ancillaryChunks.map { $0.type.bytes + (try $0.bytes()) })
    } catch is ContainerError {
      return nil
    }
  }

  struct Content: Equatable {
    let description: String
    let tensors: [TensorInfo]
    let bytes: [[UInt8]]
    let ancillary: [[UInt8]]
  }
}

extension ChunkType {
  fileprivate var bytes: [UInt8] { Array(letters.utf8) }
}
