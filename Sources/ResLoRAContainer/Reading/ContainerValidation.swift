public import ByteIO
internal import Tensors

/// Everything that a whole check of a container finds.
public struct ContainerValidation: Sendable {
  /// The broken rules in the order of the file; none in an intact one.
  public let errors: [ContainerError]
  /// The description, where it can be read.
  public let description: String?
  /// The file, open, where it breaks none of the rules that are checked on opening.
  public let file: ContainerFile?

  /// Reads a whole file and checks every rule: what is checked on opening, then each chunk, the
  /// checksum and SHA-256 of each tensor, and all padding. It goes on after a broken rule as far
  /// as that makes sense.
  ///
  /// Memory: as for opening and reading with one thread.
  ///
  /// - Parameters:
  ///   - limit: the number of errors after which it stops.
  ///   - progress: called with the raw bytes of tensors and ancillary chunks that are done and of
  ///     all; an error it throws stops the check.
  /// - Throws: errors of reading and of `progress`, never `ContainerError`.
  public init(
    of file: ReadableFile, limit: Int = 1000,
    progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    var faults = FaultHandler(path: file.path, keeping: max(1, limit))
    var content: ContainerContent?
    var opened: ContainerFile?
    do {
      let found = try ContainerContent(of: file, &faults)
      content = found
      if faults.kept.isEmpty {
        opened = ContainerFile.Opened(found).map {
          ContainerFile(file: file, opened: $0, threads: 1)
        }
      }
      try withoutActuallyEscaping(progress) { progress in
        var check = DataCheck(file: file, content: found, progress: progress)
        try check.run(&faults)
      }
      errors = faults.kept
    } catch let error as ContainerError {
      errors = faults.kept + (faults.kept.count < limit ? [error] : [])
    }
    description = content?.description
    self.file = opened
  }
}

/// Reads the chunks of elements and the ancillary ones of a file whose other parts were checked.
private struct DataCheck {
  let file: ReadableFile
  let content: ContainerContent
  let progress: (Int, Int) throws -> Void
  private let reader: ChunkReader
  private let total: Int
  private var done = 0

  init(
    file: ReadableFile, content: ContainerContent, progress: @escaping (Int, Int) throws -> Void
  ) {
    self.file = file
    self.content = content
    self.progress = progress
    reader = ChunkReader(file: file)
    total = (content.chunks[content.data] + content.ancillary).reduce(0) { $0 + $1.rawLength }
  }

  mutating func run(_ faults: inout FaultHandler) throws {
    // Without the table, or for chunks that it gives to nobody, only the chunks can be checked.
    var next = content.data.lowerBound
    for entry in content.table?.entries ?? [] {
      try check(content.chunks[next..<max(next, entry.chunks.lowerBound)], &faults)
      try check(entry, &faults)
      next = max(next, entry.chunks.upperBound)
    }
    try check(content.chunks[next..<content.data.upperBound], &faults)
    try check(content.ancillary, &faults)
  }

  /// Checks a tensor, unless a chunk of it is at fault already.
  private mutating func check(
    _ entry: TensorTable.Entry, _ faults: inout FaultHandler
  ) throws {
    var hasher = SHA256Hasher()
    var checksum = ContainerChecksum()
    faults.tensor = entry.info.name
    defer { faults.tensor = nil }
    for chunk in content.chunks[entry.chunks] {
      try unsafe check(chunk, &faults) { bytes, sum in
        unsafe hasher.update(bytes)
        checksum.append(sum)
      }
    }
    guard faults.badChunks.isDisjoint(with: entry.chunks) else { return }
    if checksum.value != entry.checksum {
      try faults.report(.tensorChecksum(found: checksum.value, expected: entry.checksum))
    }
    let digest = hasher.finish()
    if digest != entry.digest {
      try faults.report(
        .tensorDigest(found: digest.hexadecimal, expected: entry.digest.hexadecimal))
    }
  }

  private mutating func check(
    _ chunks: ArraySlice<ChunkInfo>, _ faults: inout FaultHandler
  ) throws {
    for chunk in chunks { try unsafe check(chunk, &faults) { _, _ in } }
  }

  private mutating func check(
    _ chunk: ChunkInfo, _ faults: inout FaultHandler,
    _ body: (UnsafeRawBufferPointer, ContainerChecksum) -> Void
  ) throws {
    if !faults.badChunks.contains(chunk.number) {
      _ = try faults.attempt { faults in
        try unsafe reader.withRawBytes(of: chunk, summing: true, &faults, body)
      }
    }
    done += chunk.rawLength
    try progress(done, total)
  }
}
