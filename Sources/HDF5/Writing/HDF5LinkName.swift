/// Names as links of a group (Adapter in HDF5 §1.4).
public enum HDF5LinkName {
  /// The link of a name: `%`, `/` and the names `.` and `..` escaped.
  public static func link(for name: String) -> String {
    switch name {
    case ".": return "%2E"
    case "..": return "%2E%2E"
    default: break
    }
    guard name.utf8.contains(where: { $0 == 0x25 || $0 == 0x2f }) else { return name }
    var bytes: [UInt8] = []
    for byte in name.utf8 {
      switch byte {
      case 0x25: bytes += Array("%25".utf8)
      case 0x2f: bytes += Array("%2F".utf8)
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The name of a link; nil where a `%` is not followed by two hexadecimal digits, or the bytes
  /// are not UTF-8.
  public static func name(of link: String) -> String? {
    guard link.utf8.contains(0x25) else { return link }
    var bytes: [UInt8] = []
    var rest = Array(link.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == 0x25 else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit)
      else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}
