import FormatTestSupport

/// A file that makes HDF5 1.10.8 follow a null pointer: its root has an external link without a
/// value. No library writes it, so it is put together here.
enum HDF5Crasher {
  static var bytes: [UInt8] {
    let unknown = [UInt8](repeating: 0xff, count: 8)
    let messages =
      message(2, [0, 0] + unknown + unknown)  // link info, its heap and index nowhere
      + message(10, [0, 0])  // group info
      // A link of the type 64 with the name "link" and a value of no bytes.
      + message(6, [1, 8, 64, 4] + Array("link".utf8) + [0, 0])
    let header = [1, 0, 3, 0] + little(1 as UInt32, UInt32(messages.count), 0 as UInt32) + messages
    var superblock: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
    superblock += [0, 0, 0, 0, 0, 8, 8, 0] + little(4 as UInt16, 16 as UInt16, 0 as UInt32)
    superblock += little(0 as UInt64) + unknown + little(UInt64(96 + header.count)) + unknown
    // The root's entry: no name, its header after this.
    superblock += little(0 as UInt64, 96 as UInt64, 0 as UInt32, 0 as UInt32)
    superblock += [UInt8](repeating: 0, count: 16)
    return superblock + header
  }

  /// A message of an object header of version 1.
  private static func message(_ type: UInt16, _ data: [UInt8]) -> [UInt8] {
    let padded = data + [UInt8](repeating: 0, count: (8 - data.count % 8) % 8)
    return little(type, UInt16(padded.count)) + [0, 0, 0, 0] + padded
  }
}
