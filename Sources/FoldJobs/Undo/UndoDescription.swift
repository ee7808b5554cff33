internal import ByteIO
internal import Safetensors
internal import Tensors

/// What the BASE chunks hold together: the base, its hashes, and which tensors changed (Undo §4.1).
struct UndoDescription {
  let base: UndoBase
  /// The SHA-256 of every file of the base.
  let digests: [SHA256Digest]
  /// The tensors that have spans, in the order of the base.
  let changed: [TensorName]

  /// The bytes.
  var bytes: [UInt8] {
    var bytes = littleEndianBytes(UInt32(base.files.count))
    bytes += littleEndianBytes(UInt32(changed.count))
    bytes += [base.isFolder ? 1 : 0, base.index == nil ? 0 : 1, 0, 0, 0, 0, 0, 0]
    for (file, digest) in zip(base.files, digests) {
      let header = file.headerBytes
      bytes += littleEndianBytes(UInt64(file.size)) + littleEndianBytes(UInt64(header.count))
      bytes += digest.bytes
      UndoDescription.append(name: file.name, to: &bytes)
      bytes += header
    }
    if let index = base.index {
      bytes += littleEndianBytes(UInt64(index.bytes.count))
      bytes += SHA256Hasher.digest(of: index.bytes).bytes
      UndoDescription.append(name: index.name, to: &bytes)
      bytes += index.bytes
    }
    for name in changed {
      bytes += littleEndianBytes(UInt16(name.string.utf8.count)) + Array(name.string.utf8)
    }
    return bytes
  }

  private static func append(name: String, to bytes: inout [UInt8]) {
    bytes += littleEndianBytes(UInt16(name.utf8.count)) + [0, 0, 0, 0, 0, 0] + Array(name.utf8)
  }

  /// An upper bound of the number of bytes, whichever tensors change.
  static func largestSize(of base: UndoBase) -> Int {
    let files = base.files.reduce(0) { sum, file in
      sum + 312 + file.header.text.count
        + file.header.tensors.reduce(0) { $0 + 2 + $1.name.string.utf8.count }
    }
    return files + 320 + (base.index?.bytes.count ?? 0)
  }

  /// Whether a file of a folder may have this name.
  static func isFileName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".."
      && name.utf8.count <= UndoFormat.maximumFileNameSize
      && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0)
  }
}

/// Parses the description of a base, checking everything on the way.
struct UndoDescriptionParser {
  private let path: String
  private let bytes: [UInt8]
  private var position = 0

  /// Prepares to parse what the undo file at `path` holds.
  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// The description.
  ///
  /// - Throws: `UndoError`; `SafetensorsError` for a header that no safetensors file can have.
  mutating func parse() throws -> UndoDescription {
    let fileCount = try integer(UInt32.self)
    let changedCount = try integer(UInt32.self)
    let (kind, indexed) = (try integer(UInt8.self), try integer(UInt8.self))
    try zeros(6)
    guard fileCount <= UndoFormat.maximumFiles else {
      throw failure(.tooMany("files", found: fileCount, limit: UndoFormat.maximumFiles))
    }
    guard kind <= 1, indexed <= kind, fileCount >= 1, kind == 1 || fileCount == 1 else {
      throw malformed("a base that is neither a file nor a folder of files")
    }
    var files: [UndoBase.File] = []
    var digests: [SHA256Digest] = []
    for _ in 0..<fileCount {
      let (file, digest) = try parseFile()
      files.append(file)
      digests.append(digest)
    }
    let order = files.map { TensorName($0.name) }
    guard zip(order, order.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw malformed("files out of the order of their names")
    }
    let base = UndoBase(
      isFolder: kind == 1, files: files, index: indexed == 1 ? try parseIndex() : nil)
    guard Set(base.names.map { TensorName($0) }).count == base.names.count else {
      throw malformed("two files of one name")
    }
    guard changedCount <= (bytes.count - position) / 2 else {
      throw malformed("more changed tensors than names")
    }
    let changed = try (0..<changedCount).map { _ in try text(integer(UInt16.self)) }
    guard position == bytes.count else { throw malformed("bytes after the description") }
    return UndoDescription(base: base, digests: digests, changed: changed.map { TensorName($0) })
  }

  private mutating func parseFile() throws -> (UndoBase.File, SHA256Digest) {
    let (size, headerSize) = (try integer(UInt64.self), try integer(UInt64.self))
    let digest = try digest()
    let name = try fileName()
    let header = try take(headerSize)
    guard headerSize >= 8, headerSize <= size,
      header.littleEndian(at: 0, as: UInt64.self) == UInt64(headerSize - 8)
    else { throw malformed("a file header of a wrong length") }
    let parsed = try SafetensorsHeader(
      text: Array(header[8...]), dataSize: size - headerSize, path: path)
    return (UndoBase.File(name: name, size: size, header: parsed), digest)
  }

  private mutating func parseIndex() throws -> UndoBase.Index {
    let size = try integer(UInt64.self)
    let digest = try digest()
    let name = try fileName()
    let bytes = try take(size)
    guard unsafe bytes.withUnsafeBytes({ unsafe SHA256Hasher.digest(of: $0) }) == digest else {
      throw failure(.checksum(part: "index"))
    }
    return UndoBase.Index(name: name, bytes: bytes)
  }

  private mutating func fileName() throws -> String {
    let length = try integer(UInt16.self)
    try zeros(6)
    let name = try text(length)
    guard UndoDescription.isFileName(name) else { throw malformed("a bad file name '\(name)'") }
    return name
  }

  // MARK: Pieces

  private mutating func take(_ count: Int) throws -> [UInt8] {
    guard count <= bytes.count - position else {
      throw malformed("a description that ends early")
    }
    defer { position += count }
    return Array(bytes[position..<(position + count)])
  }

  private mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Int {
    let value = try take(MemoryLayout<Value>.size).littleEndian(at: 0, as: type)
    guard let integer = Int(exactly: value) else { throw malformed("a number beyond 2^63") }
    return integer
  }

  private mutating func zeros(_ count: Int) throws {
    guard try take(count).allSatisfy({ $0 == 0 }) else {
      throw malformed("a reserved byte of the description that is not zero")
    }
  }

  private mutating func digest() throws -> SHA256Digest {
    guard let digest = SHA256Digest(bytes: try take(32)) else { preconditionFailure("32 bytes") }
    return digest
  }

  private mutating func text(_ count: Int) throws -> String {
    guard let text = String(validating: try take(count), as: UTF8.self) else {
      throw malformed("a name that is not UTF-8")
    }
    return text
  }

  private func malformed(_ what: String) -> UndoError { failure(.malformed(what, rule: "§4.1")) }

  private func failure(_ problem: UndoError.Problem) -> UndoError {
    UndoError(path: path, problem: problem)
  }
}
