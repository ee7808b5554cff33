/// A group of an open file.
public final class HDF5Group: Sendable {
  /// Its path in the file; "/" for the root.
  public let path: String
  /// The attributes, sorted by the bytes of their names.
  public let attributes: [HDF5Attribute]
  /// What it holds, sorted by the bytes of the names.
  public let links: [HDF5Link]

  private let file: String

  init(path: String, attributes: [HDF5Attribute], links: [HDF5Link], file: String) {
    self.path = path
    self.attributes = attributes
    self.links = links
    self.file = file
  }

  /// The attribute of that name.
  public func attribute(_ name: String) -> HDF5Value? { attributes.value(named: name) }

  /// The link of that name.
  ///
  /// Complexity: O(log n).
  public func link(_ name: String) -> HDF5Link? {
    links.binarySearch(name, by: \.name).map { links[$0] }
  }

  /// The group of that name, nil where there is nothing.
  ///
  /// - Throws: `HDF5Error` where there is something else.
  public func group(_ name: String) throws -> HDF5Group? {
    switch link(name)?.object {
    case nil: nil
    case .group(let group): group
    case .dataset(let dataset):
      throw HDF5Error(
        path: file, object: .group(dataset.path),
        reason: .wrongKind(found: "a dataset", expected: "a group"))
    case .other(let kind):
      throw HDF5Error(path: file, object: .group(path(of: name)), reason: .unsupported(kind))
    }
  }

  /// The dataset of that name, nil where there is nothing.
  ///
  /// - Throws: `HDF5Error` where there is something else.
  public func dataset(_ name: String) throws -> HDF5Dataset? {
    switch link(name)?.object {
    case nil: nil
    case .dataset(let dataset): dataset
    case .group(let group):
      throw HDF5Error(
        path: file, object: .dataset(group.path),
        reason: .wrongKind(found: "a group", expected: "a dataset"))
    case .other(let kind):
      throw HDF5Error(path: file, object: .dataset(path(of: name)), reason: .unsupported(kind))
    }
  }

  /// The path of something of that name in the group.
  public func path(of name: String) -> String { HDF5Group.join(path, name) }

  static func join(_ path: String, _ name: String) -> String {
    path == "/" ? "/\(name)" : "\(path)/\(name)"
  }
}

/// A name in a group and what it leads to.
public struct HDF5Link: Sendable {
  /// The name as it stands in the file.
  public let name: String
  /// What it leads to.
  public let object: HDF5LinkedObject
}

/// What a link leads to.
public enum HDF5LinkedObject: Sendable {
  /// A group.
  case group(HDF5Group)
  /// A dataset.
  case dataset(HDF5Dataset)
  /// What is never read, named: a soft or external link, a second link to an object.
  case other(String)
}

extension [HDF5Attribute] {
  /// The value of a name in a list sorted by the bytes of the names.
  func value(named name: String) -> HDF5Value? {
    binarySearch(name, by: \.name).map { self[$0].value }
  }
}

extension Array {
  /// The position of the element whose string has exactly the bytes of `wanted`.
  fileprivate func binarySearch(_ wanted: String, by string: (Element) -> String) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if string(self[middle]).utf8.lexicographicallyPrecedes(wanted.utf8) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low < count && string(self[low]).utf8.elementsEqual(wanted.utf8) ? low : nil
  }
}
