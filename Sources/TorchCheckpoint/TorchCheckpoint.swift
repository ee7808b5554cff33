public import ByteIO
public import Tensors

/// A checkpoint that `torch.save` wrote (PyTorch 1.6 and later), opened for reading.
///
/// The pickle inside is interpreted, never executed: it can build tensors and plain values and
/// nothing else. Tensors are not touched until asked for; before the first byte of a storage is
/// returned, its checksum is verified.
///
/// Memory: the pickle and the list of tensors; compressed storages, which `torch.save` does not
/// write, are held whole once they are read, within `ReadingLimits.inflatedBytes`.
public final class TorchCheckpoint: TensorSource {
  /// The most bytes a tensor's name may have.
  public static let maximumNameSize = 4096

  /// The tensors in the order of the file.
  public let tensors: [TensorInfo]
  /// The keys whose values are no tensors, or lie outside the model's own dictionary.
  public let ignoredKeys: [String]
  /// What a user should know although the file is readable, a line each.
  public let warnings: [String]

  let archive: ZipArchive
  let stored: [StoredTensor]
  private let indices: [TensorName: Int]

  /// Opens a checkpoint and checks its archive, its pickle and the place of every tensor.
  ///
  /// - Throws: `TorchCheckpointError`, `SystemError`, `FileError`.
  public convenience init(path: String) throws {
    try self.init(file: ReadableFile(path: path))
  }

  /// Opens a checkpoint in an open file.
  public init(file: ReadableFile) throws {
    try TorchCheckpoint.checkFormat(of: file)
    let archive = try ZipArchive(file: file)
    let folder = try TorchCheckpoint.folder(in: archive)
    try TorchCheckpoint.checkByteOrder(in: archive, folder: folder)
    let (dictionary, heap) = try TorchCheckpoint.dictionary(in: archive, folder: folder)
    let stored = try dictionary.tensors.map { name, tensor in
      do {
        return try StoredTensor(
          name, tensor, heap: heap, archive: archive, folder: folder)
      } catch let problem as TorchCheckpointError.TensorProblem {
        throw TorchCheckpointError.tensor(path: file.path, name: name, problem)
      }
    }
    try TorchCheckpoint.checkInflatedSize(of: stored, in: archive)
    self.archive = archive
    self.stored = stored
    tensors = stored.map(\.info)
    ignoredKeys = dictionary.ignoredKeys
    indices = Dictionary(uniqueKeysWithValues: stored.enumerated().map { ($1.info.name, $0) })
    warnings =
      archive.hasChecksums
      ? []
      : [
        "\(file.path.escapedForTerminal): saved without checksums (every one is zero); "
          + "damage would go unnoticed"
      ]
  }

  /// The file's path.
  public var label: String { archive.file.path }

  /// The file's size in bytes.
  public var size: Int { archive.file.size }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { indices[name] }

  /// Whether a file is an archive of `torch.save`, by its content: a zip archive with an entry
  /// `NAME/data.pkl`.
  ///
  /// - Throws: `SystemError` and `FileError`; never for content.
  public static func isTorchArchive(path: String) throws -> Bool {
    try TorchFileFormat.of(path) == .archive
  }
}
