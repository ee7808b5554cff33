import ByteIO
import ResLoRAContainer
import TestSupport
import Tensors
import Testing

/// Files that must be accepted.
enum Opening {
  /// Opens a file; its folder is removed, the open file stays readable.
  static func open(_ bytes: [UInt8], threads: Int = 1) throws -> ContainerFile {
    let folder = TemporaryFolder()
    let path = folder.file("good.reslora")
    try FileSystem.write(bytes, to: path)
    return try ContainerFile(path: path, threads: threads)
  }

  /// Expects that a file is opened, and that a whole check finds nothing.
  static func expectAccepted(
    _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = TemporaryFolder()
    let path = folder.file("good.reslora")
    try FileSystem.write(bytes, to: path)
    let file = try ContainerFile(path: path)
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    #expect(validation.errors == [], sourceLocation: sourceLocation)
    #expect(validation.description == file.description, sourceLocation: sourceLocation)
    #expect(validation.file?.tensors == file.tensors, sourceLocation: sourceLocation)
  }
}
