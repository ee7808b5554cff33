public import ByteIO
public import Tensors

/// The parsed and checked header of a safetensors file.
public struct SafetensorsHeader: Sendable {
  /// The most bytes a tensor's name may have.
  public static let maximumNameSize = 4096
  /// The key of the metadata among the tensors' names.
  static let metadataKey = "__metadata__"

  /// The tensors in the order of their data.
  public let tensors: [TensorInfo]
  /// The position of each tensor's first byte, counted from the end of the header.
  public let offsets: [Int]
  /// Free text by key, in the order of the file.
  public let metadata: [(key: String, value: String)]
  /// The header as it stands in the file, without its length.
  public let text: [UInt8]

  private let indices: [TensorName: Int]

  /// The position of the tensors' data in the file.
  public var dataStart: Int { 8 + text.count }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { indices[name] }

  /// A name that is too long, as an error says it.
  static func shortened(_ name: String) -> TensorName { TensorName(String(name.prefix(32)) + "…") }

  /// Reads and checks a file's header, within `ReadingLimits`; the tensors must fill the rest of the
  /// file exactly.
  ///
  /// - Throws: `SafetensorsError`, errors of reading.
  /// - Complexity: O(header size); memory a small multiple of the header size.
  public init(of file: ReadableFile) throws {
    func failure(_ reason: SafetensorsError.Reason) -> SafetensorsError {
      SafetensorsError(path: file.path, tensor: nil, reason: reason)
    }
    guard file.size >= 8 else { throw failure(.tooShort(found: file.size)) }
    let length = try unsafe file.bytes(at: 0, count: 8).withUnsafeBytes {
      unsafe UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    let limit = ReadingLimits.current.headerBytes
    guard length <= file.size - 8 else {
      guard length <= limit else { throw failure(.headerTooLarge(found: length, limit: limit)) }
      throw failure(.headerBeyondFile(found: Int(length), available: file.size - 8))
    }
    let size = Int(length)
    guard size <= limit else { throw failure(.headerOverLimit(found: size, limit: limit)) }
    let text = try file.bytes(at: 8, count: size)
    try self.init(text: text, dataSize: file.size - 8 - size, path: file.path)
  }

  /// Parses and checks a header's text for `dataSize` bytes of data.
  package init(text: [UInt8], dataSize: Int, path: String) throws(SafetensorsError) {
    var parser = SafetensorsHeaderParser(path: path)
    try parser.parse(text)
    // Most writers list tensors in the order of their data.
    let isInOrder = zip(parser.entries, parser.entries.dropFirst()).allSatisfy {
      SafetensorsHeaderParser.Entry.areInOrder($0, $1)
    }
    let entries =
      isInOrder
      ? parser.entries : parser.entries.sorted(by: SafetensorsHeaderParser.Entry.areInOrder)
    var end = 0
    for entry in entries {
      func failure(_ reason: SafetensorsError.Reason) -> SafetensorsError {
        SafetensorsError(path: path, tensor: entry.info.name, reason: reason)
      }
      guard entry.begin >= end else {
        throw failure(.overlap(begin: entry.begin, previousEnd: end))
      }
      guard entry.begin == end else { throw failure(.hole(begin: entry.begin, previousEnd: end)) }
      end = entry.end
    }
    guard end == dataSize else {
      throw SafetensorsError(
        path: path, tensor: nil, reason: .wrongDataSize(found: dataSize, expected: end))
    }
    tensors = entries.map(\.info)
    offsets = entries.map(\.begin)
    metadata = parser.metadata
    indices =
      isInOrder
      ? parser.positions
      : Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    self.text = text
  }
}
