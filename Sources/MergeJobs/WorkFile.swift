internal import ByteIO
internal import Safetensors
internal import Tensors

/// What a task leaves for others: a safetensors file that says which job it is of and ends in a digest
/// of all before it, so that a damaged one is never taken for a result (Replay §9.3).
struct WorkFile {
  /// Its tensors, the digest aside.
  let tensors: [TensorInfo]
  private let file: SafetensorsFile
  private let path: String

  private static let fingerprintKey = "fingerprint"
  private static let digestName: TensorName = "sha256"

  /// Opens a file by its header.
  ///
  /// - Returns: nil where none is there, or one that is not whole or not of this job.
  /// - Throws: `SystemError`.
  init?(path: String, fingerprint: String) throws {
    guard try Paths.kind(of: path) == .file else { return nil }
    do {
      file = try SafetensorsFile(path: path)
    } catch is SafetensorsError {
      return nil
    } catch is FileError {
      return nil
    }
    guard file.header.metadata.contains(where: { $0 == (WorkFile.fingerprintKey, fingerprint) }),
      let last = file.tensors.last, last.name == WorkFile.digestName, last.byteCount == 32
    else { return nil }
    tensors = file.tensors.dropLast()
    self.path = path
  }

  // MARK: Writing

  /// A tensor and what gives its bytes, in pieces of whatever size.
  @safe struct Part {
    typealias Target = (UnsafeRawBufferPointer) throws -> Void

    let info: TensorInfo
    let write: (Target) throws -> Void

    init(_ info: TensorInfo, _ write: @escaping (Target) throws -> Void) {
      self.info = info
      unsafe self.write = write
    }

    /// Numbers.
    init(_ name: TensorName, _ shape: [Int], _ values: [Double]) throws {
      try unsafe self.init(TensorInfo(name: name, dtype: .f64, shape: shape)) { target in
        try unsafe values.withUnsafeBytes { try unsafe target($0) }
      }
    }

    /// A text.
    init(_ name: TensorName, _ json: JSONValue) throws {
      let text = Array(json.serialized().utf8)
      try unsafe self.init(TensorInfo(name: name, dtype: .u8, shape: [text.count])) { target in
        try unsafe text.withUnsafeBytes { try unsafe target($0) }
      }
    }
  }

  /// The layout of a file of these tensors.
  ///
  /// - Throws: `TensorInfoError`.
  static func layout(_ tensors: [TensorInfo], _ fingerprint: String) throws -> SafetensorsLayout {
    SafetensorsLayout(
      ordered: tensors + [try TensorInfo(name: digestName, dtype: .u8, shape: [32])],
      metadata: [(fingerprintKey, fingerprint)])
  }

  /// Writes a file, whole or not at all.
  ///
  /// - Throws: `FileError`, `SystemError`, what the parts throw.
  static func write(_ parts: [Part], fingerprint: String, to path: String) throws {
    let layout = try layout(parts.map(\.info), fingerprint)
    let writer = try SafetensorsWriter(path: path, layout: layout, replacing: true)
    var hasher = SHA256Hasher()
    unsafe layout.headerBytes.withUnsafeBytes { unsafe hasher.update($0) }
    for (index, part) in parts.enumerated() {
      var offset = 0
      try unsafe part.write { bytes in
        try unsafe writer.write(bytes, tensor: index, at: offset)
        unsafe hasher.update(bytes)
        offset += bytes.count
      }
      precondition(offset == part.info.byteCount)
    }
    let digest = hasher.finish().bytes
    try unsafe digest.withUnsafeBytes {
      try unsafe writer.write($0, tensor: parts.count, at: 0)
    }
    try writer.commit()
  }

  // MARK: Reading

  /// Reads all tensors in order, in pieces of 4 MiB at most.
  ///
  /// - Parameter body: called with every piece, the number of its tensor and where in it the piece
  ///   begins. What it takes in counts only once this returns true.
  /// - Returns: whether the digest is that of what was read.
  /// - Throws: `FileError`, `SystemError`, what `body` throws.
  func read(_ body: (UnsafeRawBufferPointer, Int, Int) throws -> Void) throws -> Bool {
    let buffer = AlignedBuffer(byteCount: WorkFile.pieceBytes)
    var hasher = SHA256Hasher()
    unsafe SafetensorsLayout(preserving: file.header).headerBytes.withUnsafeBytes {
      unsafe hasher.update($0)
    }
    for (index, info) in tensors.enumerated() {
      for offset in stride(from: 0, to: info.byteCount, by: WorkFile.pieceBytes) {
        let piece = unsafe buffer.prefix(min(WorkFile.pieceBytes, info.byteCount - offset))
        try unsafe file.read(tensor: index, at: offset, into: piece)
        unsafe hasher.update(UnsafeRawBufferPointer(piece))
        try unsafe body(UnsafeRawBufferPointer(piece), index, offset)
      }
    }
    return try hasher.finish().bytes == file.bytes(of: tensors.count)
  }

  private static let pieceBytes = 4 << 20

  /// All tensors; nil where the digest is another.
  ///
  /// - Throws: `FileError`, `SystemError`.
  func contents() throws -> [[UInt8]]? {
    var contents = tensors.map { _ in [UInt8]() }
    let isWhole = try unsafe read { piece, tensor, _ in unsafe contents[tensor] += piece }
    return isWhole ? contents : nil
  }
}

extension [UInt8] {
  /// Bytes of float64 as numbers.
  var doubles: [Double] {
    unsafe withUnsafeBytes { unsafe Conversion.float64(from: $0, dtype: .f64) }
  }
}
