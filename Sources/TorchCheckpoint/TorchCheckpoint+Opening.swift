internal import ByteIO

extension TorchCheckpoint {
  /// Throws for anything but a zip archive, saying what it is where that is known.
  static func checkFormat(of file: ReadableFile) throws {
    let prefix = try file.bytes(at: 0, count: min(file.size, 4))
    if ZipArchive.matches(prefix) { return }
    guard let format = try TorchFileFormat.of(file) else {
      throw TorchCheckpointError.notACheckpoint(path: file.path)
    }
    throw TorchCheckpointError.legacyFormat(path: file.path, found: format)
  }

  /// The one folder that holds the checkpoint.
  static func folder(in archive: ZipArchive) throws -> String {
    let path = archive.file.path
    let folders = archive.checkpointFolders
    guard let folder = folders.first else { throw TorchCheckpointError.noPickle(path: path) }
    if folders.count > 1 {
      throw TorchCheckpointError.severalPickles(
        path: path, first: "\(folder)/data.pkl", second: "\(folders[1])/data.pkl")
    }
    guard archive.index(of: "\(folder)/constants.pkl") == nil else {
      throw TorchCheckpointError.torchScript(path: path)
    }
    return folder
  }

  /// Throws for big-endian storages.
  ///
  /// Archives from before PyTorch 2.1 do not say; the machines that wrote them were little-endian.
  static func checkByteOrder(in archive: ZipArchive, folder: String) throws {
    guard let entry = archive.index(of: "\(folder)/byteorder") else { return }
    let content = try archive.contents(of: entry, limit: 16)
    let order = String(decoding: content, as: UTF8.self)
    guard order == "little" else {
      throw TorchCheckpointError.byteOrder(path: archive.file.path, found: order)
    }
  }

  /// Runs the pickle and finds the dictionary of tensors.
  static func dictionary(
    in archive: ZipArchive, folder: String
  ) throws -> (dictionary: StateDictionary, heap: PickleHeap) {
    let path = archive.file.path
    guard let entry = archive.index(of: "\(folder)/data.pkl") else {
      throw TorchCheckpointError.noPickle(path: path)
    }
    let limits = PickleLimits.current
    do {
      guard archive.entries[entry].size <= limits.bytes else {
        throw PickleProblem.tooMany(.bytes, limit: limits.bytes)
      }
      let pickle = try archive.contents(of: entry, limit: limits.bytes)
      let (root, heap) = try PickleInterpreter.run(pickle, limits: limits)
      return (try StateDictionary(in: root, heap: heap, path: path), heap)
    } catch let problem as PickleProblem {
      throw TorchCheckpointError.pickle(path: path, problem)
    }
  }

  /// Throws where the compressed storages in use would take too much memory together.
  static func checkInflatedSize(of tensors: [StoredTensor], in archive: ZipArchive) throws {
    var total = 0
    for entry in Set(tensors.map(\.entry)) where archive.entries[entry].method == .deflated {
      let (sum, overflow) = total.addingReportingOverflow(archive.entries[entry].size)
      total = overflow ? .max : sum
    }
    let limit = ReadingLimits.current.inflatedBytes
    guard total <= limit else {
      throw TorchCheckpointError.inflatedTooLarge(
        path: archive.file.path, found: total, limit: limit)
    }
  }
}
