internal import ByteIO
internal import Tensors

/// What `torch.save` writes for a flat dictionary of float32 tensors: a stored zip archive with a
/// pickle. It keeps the order of its keys, which safetensors does not.
package enum TorchArchive {
  package static func bytes(_ tensors: [TestTensor]) -> [UInt8] {
    var zip = ZipWriter()
    zip.add("model/data.pkl", pickle(tensors))
    zip.add("model/byteorder", Array("little".utf8))
    zip.add("model/data/0", tensors.flatMap(\.bytes))
    zip.add("model/version", Array("3\n".utf8))
    return zip.archive
  }

  /// All tensors lie in one storage.
  private static func pickle(_ tensors: [TestTensor]) -> [UInt8] {
    let total = tensors.reduce(0) { $0 + $1.elementCount }
    var text: [UInt8] = [0x80, 2] + Array("}(".utf8)
    var offset = 0
    for tensor in tensors {
      text += string(tensor.name.string) + global("torch._utils", "_rebuild_tensor_v2")
      text += Array("((".utf8) + string("storage") + global("torch", "FloatStorage")
      text += string("0") + string("cpu") + integer(total) + Array("tQ".utf8) + integer(offset)
      let strides = tensor.shape.indices.map { tensor.shape[($0 + 1)...].reduce(1, *) }
      for values in [tensor.shape, strides] {
        text += Array("(".utf8) + values.flatMap(integer) + Array("t".utf8)
      }
      text += [0x89] + global("collections", "OrderedDict") + Array(")RtR".utf8)
      offset += tensor.elementCount
    }
    return text + Array("u.".utf8)
  }

  private static func string(_ text: String) -> [UInt8] {
    [0x58] + little(text.utf8.count, 4) + Array(text.utf8)
  }

  private static func integer(_ value: Int) -> [UInt8] { [0x4a] + little(value, 4) }

  private static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  /// The lowest bytes of a number, lowest first.
  fileprivate static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

/// Writes archives of stored entries.
private struct ZipWriter {
  private var body: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  package mutating func add(_ name: String, _ content: [UInt8]) {
    var checksum = CRC32()
    content.withUnsafeBytes { checksum.update($0) }
    let sizes =
      TorchArchive.little(Int(checksum.value), 4) + TorchArchive.little(content.count, 4)
      + TorchArchive.little(content.count, 4) + TorchArchive.little(name.utf8.count, 2)
    let common: [UInt8] = [20, 0, 0, 0, 0, 0, 0, 0, 0, 0] + sizes + [0, 0]
    directory += [0x50, 0x4b, 1, 2, 20, 0] + common + [UInt8](repeating: 0, count: 10)
    directory += TorchArchive.little(body.count, 4) + Array(name.utf8)
    body += [0x50, 0x4b, 3, 4] + common + Array(name.utf8) + content
    count += 1
  }

  package var archive: [UInt8] {
    body + directory + [0x50, 0x4b, 5, 6, 0, 0, 0, 0]
      + TorchArchive.little(count, 2) + TorchArchive.little(count, 2)
      + TorchArchive.little(directory.count, 4) + TorchArchive.little(body.count, 4) + [0, 0]
  }
}
