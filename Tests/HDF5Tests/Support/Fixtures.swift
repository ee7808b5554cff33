import ByteIO
import HDF5
import Tensors
import TestSupport

/// The files of `Fixtures/make.py`.
enum Fixture {
  static func path(_ name: String) -> String {
    "\(TestFiles.root)/Tests/HDF5Tests/Fixtures/\(name)"
  }

  static func open(_ name: String, reading: HDF5Reading = .inProcess) throws -> HDF5File {
    try HDF5File(path: path(name), reading: reading)
  }

  /// 0, 1, … 96, 0, … less 48.
  static func ramp(_ count: Int) -> [Double] { (0..<count).map { Double($0 % 97 - 48) } }
}

extension HDF5Dataset {
  /// All elements as float64.
  func values(threads: Int = 1) throws -> [Double] {
    let info = try info(name: "x")
    var bytes = [UInt8](repeating: 0xee, count: info.byteCount)
    try bytes.withUnsafeMutableBytes { try read(at: 0, into: $0, threads: threads) }
    return bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: info.dtype) }
  }

  /// All bytes, read `size` at a time.
  func bytes(inPiecesOf size: Int) throws -> [UInt8] {
    let count = try info(name: "x").byteCount
    var bytes = [UInt8](repeating: 0xee, count: count)
    try bytes.withUnsafeMutableBytes { buffer in
      for start in stride(from: 0, to: count, by: size) {
        try read(
          at: start,
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[start..<min(start + size, count)]))
      }
    }
    return bytes
  }
}

extension HDF5Group {
  /// The datasets in it and below, by path.
  var allDatasets: [HDF5Dataset] {
    links.flatMap { link -> [HDF5Dataset] in
      switch link.object {
      case .dataset(let dataset): [dataset]
      case .group(let group): group.allDatasets
      case .other: []
      }
    }
  }
}
