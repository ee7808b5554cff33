public import ByteIO

/// What a file is among the formats that `torch.save` has had.
public enum TorchFileFormat: Sendable, Equatable {
  /// The zip archive that PyTorch writes since 1.6.
  case archive
  /// Pickles and storages one after the other: PyTorch 0.1.10 to 1.5; or any other pickle.
  case rawPickle
  /// A tar archive: before PyTorch 0.1.10.
  case tar

  /// The format in words.
  public var name: String {
    switch self {
    case .archive: "a torch zip archive"
    case .rawPickle: "a pickle outside a zip archive"
    case .tar: "a tar archive"
    }
  }

  /// Tells a file's format by its content, whatever its name; nil for files of other kinds.
  ///
  /// A damaged archive still counts as one where its first entry is a checkpoint's, so that opening
  /// it says what is wrong.
  ///
  /// - Throws: `SystemError` and `FileError`; never for content.
  public static func of(_ path: String) throws -> TorchFileFormat? {
    try of(ReadableFile(path: path))
  }

  /// Tells the format of an open file.
  public static func of(_ file: ReadableFile) throws -> TorchFileFormat? {
    let prefix = try file.bytes(at: 0, count: min(file.size, 512))
    if ZipArchive.matches(prefix) {
      return try isCheckpoint(file, prefix: prefix) ? .archive : nil
    }
    if isPickle(prefix) { return .rawPickle }
    let tarMagic = Array("ustar".utf8)
    if prefix.count == 512, prefix[257...].starts(with: tarMagic) { return .tar }
    return nil
  }

  /// Whether bytes begin a pickle of protocol 2 or later: PROTO and its version.
  ///
  /// The length at the begin of a safetensors file can have these two bytes as well, 640 does; as
  /// such a length, what follows in a pickle gives numbers that no header has.
  private static func isPickle(_ prefix: [UInt8]) -> Bool {
    guard prefix.count >= 8, prefix[0] == 0x80, (2...5).contains(prefix[1]) else { return false }
    return prefix.littleEndian(at: 0, as: UInt64.self) > 100_000_000
  }

  private static func isCheckpoint(_ file: ReadableFile, prefix: [UInt8]) throws -> Bool {
    if prefix.count > 30 {
      let nameEnd = 30 + Int(prefix.littleEndian(at: 26, as: UInt16.self))
      if nameEnd <= prefix.count,
        ZipArchive.checkpointFolder(of: String(decoding: prefix[30..<nameEnd], as: UTF8.self))
          != nil
      {
        return true
      }
    }
    do {
      return try !ZipArchive(file: file).checkpointFolders.isEmpty
    } catch is TorchCheckpointError {
      return false
    }
  }
}

extension ZipArchive {
  /// Whether a file's first bytes are those of a zip archive, an empty one included.
  package static func matches(_ prefix: [UInt8]) -> Bool {
    prefix.starts(with: [0x50, 0x4b, 3, 4]) || prefix.starts(with: [0x50, 0x4b, 5, 6])
  }

  /// The folders at the archive's top that hold a `data.pkl`.
  var checkpointFolders: [String] {
    entries.compactMap { ZipArchive.checkpointFolder(of: $0.name) }
  }

  /// The folder of an entry `FOLDER/data.pkl`, nil for other entries.
  static func checkpointFolder(of entry: String) -> String? {
    let parts = entry.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[1] == "data.pkl" ? String(parts[0]) : nil
  }
}
