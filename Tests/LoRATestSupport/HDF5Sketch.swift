package import HDF5
package import Tensors

/// An HDF5 file as tests describe it: paths of links as they stand in the file, and what lies there.
/// `/blocks/a@index` is the attribute `index` of `/blocks/a`. Groups above are made as needed, and
/// paths compared byte by byte.
package struct HDF5Sketch {
  package enum Part {
    case group
    case attribute(HDF5Value)
    case text(String)
    case doubles([Double])
    case tensor(TestTensor)
  }

  package private(set) var parts: [(path: String, part: Part)]

  package init(_ parts: KeyValuePairs<String, Part>) {
    self.parts = parts.map { ($0.key, $0.value) }
  }

  /// The file with some parts changed, added, or with nil removed along with all below them.
  package func changed(_ changes: KeyValuePairs<String, Part?>) -> HDF5Sketch {
    var copy = self
    for (path, part) in changes {
      let position = copy.parts.firstIndex { $0.path.utf8.elementsEqual(path.utf8) }
      switch (position, part) {
      case (let position?, let part?): copy.parts[position].part = part
      case (nil, let part?): copy.parts.append((path, part))
      case (_, nil):
        copy.parts.removeAll {
          $0.path.utf8.starts(with: path.utf8)
            && [nil, UInt8(ascii: "/"), UInt8(ascii: "@")].contains(
              $0.path.utf8.dropFirst(path.utf8.count).first)
        }
      }
    }
    return copy
  }

  /// Writes the file and returns its path.
  @discardableResult
  package func write(to path: String) throws -> String {
    try HDF5Writer.write(to: path, replacing: true) { root in
      try HDF5Sketch.write(parts.map { (String($0.path.dropFirst()), $0.part) }, to: root)
    }
    return path
  }

  private static func write(_ parts: [(path: String, part: Part)], to group: HDF5GroupWriter) throws
  {
    var names: [TensorName] = []
    var inner: [TensorName: [(path: String, part: Part)]] = [:]
    for (path, part) in parts {
      let end = path.firstIndex { $0 == "/" || $0 == "@" } ?? path.endIndex
      let name = String(path[..<end])
      let rest = String(path[end...])
      switch part {
      case .attribute(let value) where name.isEmpty:
        try group.attribute(String(rest.dropFirst()), value)
      case .text(let text) where rest.isEmpty: try group.text(name, text)
      case .doubles(let values) where rest.isEmpty: try group.doubles(name, values)
      case .tensor(let tensor) where rest.isEmpty:
        try group.dataset(name, dtype: tensor.dtype, shape: tensor.shape) { dataset in
          try tensor.bytes.withUnsafeBytes { try dataset.append($0) }
        }
      default:
        let name = TensorName(name)
        if inner[name] == nil { names.append(name) }
        let below = rest.hasPrefix("/") ? String(rest.dropFirst()) : rest
        inner[name, default: []] += below.isEmpty ? [] : [(below, part)]
      }
    }
    for name in names {
      try group.group(name.string) { try write(inner[name] ?? [], to: $0) }
    }
  }
}

extension TestTensor {
  /// A dataset, which has no name of its own.
  package static func dataset(
    _ shape: [Int], dtype: DType = .f32, values: [Double]? = nil
  ) -> TestTensor { TestTensor("x", shape, dtype: dtype, values: values) }
}
