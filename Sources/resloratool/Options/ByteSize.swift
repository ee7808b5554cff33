import ArgumentParser

/// A number of bytes with a unit of powers of 1000 or 1024: `5GB`, `512MiB`, `1000000`.
struct ByteSize: ExpressibleByArgument {
  let bytes: Int

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let value = Double(digits), value > 0 else { return nil }
    let units: [String: Double] = [
      "": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 0x1p10, "MIB": 0x1p20,
      "GIB": 0x1p30, "TIB": 0x1p40,
    ]
    let unit = argument.dropFirst(digits.count).uppercased()
    guard let factor = units[unit], value * factor >= 1, value * factor < 0x1p62 else { return nil }
    bytes = Int(value * factor)
  }
}
