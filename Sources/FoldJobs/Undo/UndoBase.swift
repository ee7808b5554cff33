package import ByteIO
package import Safetensors
internal import Tensors

/// What an undo file says of the base: its files, their headers, and how they lay together
/// (Undo §4.1).
package struct UndoBase: Sendable {
  /// One file of the base.
  package struct File: Sendable {
    /// The name in its folder.
    package let name: String
    /// The size of the whole file.
    package let size: Int
    /// The parsed header; the file is its length and text and then the tensors.
    package let header: SafetensorsHeader
  }

  /// The index of a folder with several files.
  package struct Index: Sendable, Equatable {
    /// The name in the folder.
    package let name: String
    /// The content.
    package let bytes: [UInt8]
  }

  /// Whether the base was a folder.
  package let isFolder: Bool
  /// The files in the order of their tensors.
  package let files: [File]
  /// The index file, where there was one.
  package let index: Index?

  /// Describes one file.
  package init(file: SafetensorsFile) {
    self.init(isFolder: false, files: [File(file)], index: nil)
  }

  /// Describes a folder, and reads its index.
  package init(folder checkpoint: ShardedCheckpoint) throws {
    let index = try checkpoint.indexPath.map { path in
      Index(
        name: Paths.name(of: path),
        bytes: try ReadableFile.json(at: path))
    }
    self.init(isFolder: true, files: checkpoint.shards.map(File.init), index: index)
  }

  init(isFolder: Bool, files: [File], index: Index?) {
    self.isFolder = isFolder
    self.files = files
    self.index = index
  }

  /// Whether two descriptions agree in everything that does not take reading the tensors.
  func describesSame(as other: UndoBase) -> Bool {
    isFolder == other.isFolder && index == other.index
      && files.elementsEqual(other.files) { $0.name == $1.name && $0.headerBytes == $1.headerBytes }
  }

  /// The names of all files it takes to restore the base.
  package var names: [String] { files.map(\.name) + (index.map { [$0.name] } ?? []) }

  /// The SHA-256 of every file of a base, a file for each thread at a time.
  ///
  /// Memory: 4 MiB for each thread. A single file is hashed by one thread.
  ///
  /// - Parameter progress: called with the bytes done and of all, from any thread; an error it
  ///   throws stops the work.
  package static func digests(
    of files: [ReadableFile], threads: Int,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> [SHA256Digest] {
    let counter = ByteCounter(total: files.reduce(0) { $0 + $1.size }, report: progress)
    return try Parallel.map(
      files.count, threads: threads, context: { AlignedBuffer(byteCount: pieceSize) }
    ) { buffer, number in
      try unsafe digest(size: files[number].size, buffer, counter, files[number].read)
    }
  }

  /// The SHA-256 of `size` bytes that `read` gives.
  static func digest(
    size: Int, _ buffer: AlignedBuffer, _ counter: ByteCounter,
    _ read: (_ offset: Int, _ piece: UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> SHA256Digest {
    var hasher = SHA256Hasher()
    for offset in unsafe stride(from: 0, to: size, by: buffer.bytes.count) {
      let piece = unsafe buffer.prefix(min(buffer.bytes.count, size - offset))
      try unsafe read(offset, piece)
      unsafe hasher.update(UnsafeRawBufferPointer(piece))
      try counter.add(piece.count)
    }
    return hasher.finish()
  }

  static let pieceSize = 4 << 20
}

extension UndoBase.File {
  init(_ file: SafetensorsFile) {
    self.init(name: Paths.name(of: file.label), size: file.size, header: file.header)
  }

  /// The length and text of the header, as they stand in the file.
  package var headerBytes: [UInt8] {
    littleEndianBytes(UInt64(header.text.count)) + header.text
  }
}
