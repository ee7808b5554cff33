public import ByteIO
public import Tensors

/// A safetensors file opened for reading: its header is read and checked, its tensors are not
/// touched until asked for.
public final class SafetensorsFile: FileBackedTensorSource {
  /// The parsed header.
  public let header: SafetensorsHeader

  /// The open file.
  package let file: ReadableFile

  /// Opens a file and checks its header.
  ///
  /// - Throws: `SafetensorsError`, `SystemError`, `FileError`.
  public convenience init(path: String) throws {
    try self.init(file: ReadableFile(path: path))
  }

  /// Reads and checks the header of an open file.
  ///
  /// - Throws: `SafetensorsError`, errors of reading.
  public init(file: ReadableFile) throws {
    self.file = file
    header = try SafetensorsHeader(of: file)
  }

  /// The file's path.
  public var label: String { file.path }
  /// The file's size in bytes.
  public var size: Int { file.size }
  /// When the file was last changed, in nanoseconds since 1970.
  package var changeTime: Int { file.changeTime }
  /// The tensors in the order of their data.
  public var tensors: [TensorInfo] { header.tensors }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { header.index(of: name) }

  /// The file itself and the position of a tensor in it.
  public func location(of index: Int) -> (file: ReadableFile, offset: Int) {
    (file, header.dataStart + header.offsets[index])
  }
}
