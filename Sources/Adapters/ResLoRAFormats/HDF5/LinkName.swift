/// Names of blocks, inputs and metadata as names of HDF5 links (Adapter in HDF5 §1.4).
package enum LinkName {
  /// The link of a name.
  package static func escaped(_ name: String) -> String {
    if name == "." || name == ".." { return name.replacing(".", by: "%2E") }
    return name.replacing("%", by: "%25").replacing("/", by: "%2F")
  }

  /// The name of a link; nil where a `%` in it begins no escape, or the bytes are no UTF-8.
  package static func unescaped(_ link: String) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(link.utf8)[...]
    while let byte = rest.popFirst() {
      if byte != UInt8(ascii: "%") {
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
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

extension String {
  /// Every such character replaced, scalar by scalar, so that combining marks after it stay.
  fileprivate func replacing(_ scalar: Unicode.Scalar, by text: String) -> String {
    unicodeScalars.reduce(into: "") { result, next in
      if next == scalar { result += text } else { result.unicodeScalars.append(next) }
    }
  }
}
