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
  private let metadata: [(key: String, value: String)]

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
    text.reserveCapacity(128 * (tensors.count + 1))
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
    relative.reserveCapacity(tensors.count)
    for tensor in tensors {
      if text.utf8.count > 1 { text += "," }
      JSONValue.writeString(tensor.name.string, into: &text)
      text += ":{\"dtype\":\""
      text += tensor.dtype.rawValue
      text += "\",\"shape\":["
      for (position, extent) in tensor.shape.enumerated() {
        if position > 0 { text += "," }
        text += String(extent)
      }
      text += "],\"data_offsets\":["
      text += String(offset)
      text += ","
      relative.append(offset)
      offset += tensor.byteCount
      text += String(offset)
      text += "]}"
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
    self.init(
      text: bytes, tensors: tensors, metadata: metadata, relativeOffsets: relative, dataSize: offset
    )
  }

  /// The layout of an existing file, its header to the byte.
  public init(preserving header: SafetensorsHeader) {
    self.init(
      text: header.text, tensors: header.tensors, metadata: header.metadata,
      relativeOffsets: header.offsets, dataSize: header.tensors.reduce(0) { $0 + $1.byteCount })
  }

  /// Checks that the file will be one that can be read again.
  ///
  /// - Throws: `SafetensorsError` for a name or texts over the limits, or a tensor named as the
  ///   metadata are.
  public func check(for path: String) throws(SafetensorsError) {
    func failure(
      _ reason: SafetensorsError.Reason, _ tensor: TensorName? = nil
    ) -> SafetensorsError { SafetensorsError(path: path, tensor: tensor, reason: reason) }
    let limits = ReadingLimits.current
    let reserved = TensorName(SafetensorsHeader.metadataKey)
    if tensors.contains(where: { $0.name == reserved }) { throw failure(.reservedName, reserved) }
    let size = headerBytes.count - 8
    guard size <= limits.headerBytes else {
      throw failure(.headerOverLimit(found: size, limit: limits.headerBytes))
    }
    if tensors.count > limits.tensors {
      throw failure(.tooManyTensors(limit: limits.tensors), tensors[limits.tensors].name)
    }
    for tensor in tensors {
      let name = tensor.name.string
      guard name.utf8.count <= SafetensorsHeader.maximumNameSize else {
        throw failure(
          .nameTooLong(found: name.utf8.count, limit: SafetensorsHeader.maximumNameSize),
          SafetensorsHeader.shortened(name))
      }
    }
    var keys: Set<TensorName> = []
    for (key, _) in metadata where !keys.insert(TensorName(key)).inserted {
      throw failure(.duplicateKey(key))
    }
    let metadataSize = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    guard metadataSize <= limits.metadataBytes else {
      throw failure(.metadataTooLarge(limit: limits.metadataBytes))
    }
  }

  private init(
    text: [UInt8], tensors: [TensorInfo], metadata: [(key: String, value: String)],
    relativeOffsets: [Int], dataSize: Int
  ) {
    self.tensors = tensors
    self.metadata = metadata
    headerBytes =
      unsafe withUnsafeBytes(of: UInt64(text.count).littleEndian) { unsafe Array($0) } + text
    let start = headerBytes.count
    offsets = relativeOffsets.map { start + $0 }
    fileSize = start + dataSize
  }
}
