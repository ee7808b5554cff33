public import Tensors
internal import ByteIO

/// Where everything will lie in a safetensors file that is to be written.
public struct SafetensorsLayout: Sendable {
  /// The tensors in the order of their data.
  public let tensors: [TensorInfo]
  /// The position of each tensor's first byte in the file.
  public let offsets: [Int]
  /// The header's length and text, the first bytes of the file.
  public let headerBytes: [UInt8]
  /// The size of the whole file.
  public let fileSize: Int

  /// The layout whose bytes equal the reference implementation's: tensors by dtype, descending,
  /// then by name; the header compact and padded with spaces to a multiple of 8.
  ///
  /// Names must differ. With more than one metadata key the reference's order is not defined; here
  /// it is the order given.
  public init(tensors: [TensorInfo], metadata: [(key: String, value: String)]) {
    self.init(
      ordered: tensors.sorted { ($1.dtype, $0.name) < ($0.dtype, $1.name) }, metadata: metadata)
  }

  /// A layout with the tensors in the order given.
  ///
  /// - Parameter dataStart: where the data should begin but for whole disk blocks, as they do in
  ///   another file of the same tensors, so that both may share blocks; the header is padded to it.
  public init(
    ordered tensors: [TensorInfo], metadata: [(key: String, value: String)],
    alignedWith dataStart: Int? = nil
  ) {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
    var text = "{"
    if !metadata.isEmpty {
      text += "\"\(SafetensorsHeader.metadataKey)\":{"
      for (position, (key, value)) in metadata.enumerated() {
        if position > 0 { text += "," }
        JSONValue.writeString(key, into: &text)
        text += ":"
        JSONValue.writeString(value, into: &text)
      }
      text += "}"
    }
    var offset = 0
    var relative: [Int] = []
    for tensor in tensors {
      if text.utf8.count > 1 { text += "," }
      JSONValue.writeString(tensor.name.string, into: &text)
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = offset + tensor.byteCount
      text += ":{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
      text += "\"data_offsets\":[\(offset),\(end)]}"
      relative.append(offset)
      offset = end
    }
    text += "}"
    var bytes = Array(text.utf8)
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: (8 - bytes.count % 8) % 8)
    if let dataStart, dataStart % 8 == 0 {
      let block = 4096
      let missing = (dataStart - bytes.count - 8) % block
      bytes += [UInt8](
        repeating: UInt8(ascii: " "), count: missing < 0 ? missing + block : missing)
    }
    self.init(text: bytes, tensors: tensors, relativeOffsets: relative, dataSize: offset)
  }

  /// The layout of an existing file, its header to the byte.
  public init(preserving header: SafetensorsHeader) {
    self.init(
      text: header.text, tensors: header.tensors, relativeOffsets: header.offsets,
      dataSize: header.tensors.reduce(0) { $0 + $1.byteCount })
  }

  /// Checks that the file will be one that can be read again.
  ///
  /// - Throws: `SafetensorsError` for a name or texts over the limits, or a tensor named as the
  ///   metadata are.
  public func check(for path: String) throws(SafetensorsError) {
    let reserved = TensorName(SafetensorsHeader.metadataKey)
    if tensors.contains(where: { $0.name == reserved }) {
      throw SafetensorsError(path: path, tensor: reserved, reason: .reservedName)
    }
    let text = Array(headerBytes.dropFirst(8))
    let limit = ReadingLimits.current.headerBytes
    guard text.count <= limit else {
      throw SafetensorsError(
        path: path, tensor: nil, reason: .headerOverLimit(found: text.count, limit: limit))
    }
    _ = try SafetensorsHeader(text: text, dataSize: fileSize - headerBytes.count, path: path)
  }

  private init(text: [UInt8], tensors: [TensorInfo], relativeOffsets: [Int], dataSize: Int) {
    self.tensors = tensors
    headerBytes =
      unsafe withUnsafeBytes(of: UInt64(text.count).littleEndian) { unsafe Array($0) } + text
    let start = headerBytes.count
    offsets = relativeOffsets.map { start + $0 }
    fileSize = start + dataSize
  }
}
