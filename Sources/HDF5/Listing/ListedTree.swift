internal import Tensors

/// Builds groups and datasets from a message.
struct ListedTree {
  private var message: ListingReader
  private let store: FileStore
  private let limits: ListingLimits
  private var pathBytes = 0

  init(message: ListingReader, store: FileStore, limits: ListingLimits) {
    self.message = message
    self.store = store
    self.limits = limits
  }

  /// The root group.
  mutating func read() throws(LibraryFailure) -> HDF5Group {
    try message.expectSignature()
    if try message.byte() != 0 {
      let failure = try ListedFailure.read(from: &message)
      try message.expectEnd()
      throw failure
    }
    guard case .group(let root) = try object(path: "/", depth: 0) else {
      throw ListingReader.nonsense("its root is not a group")
    }
    try message.expectEnd()
    return root
  }

  private mutating func object(path: String, depth: Int) throws(LibraryFailure)
    -> HDF5LinkedObject
  {
    pathBytes += path.utf8.count
    guard pathBytes <= limits.pathBytes else {
      throw LibraryFailure(.tooMany(what: "bytes of paths", limit: limits.pathBytes))
    }
    switch Lister.Kind(rawValue: try message.byte()) {
    case .group:
      guard depth <= limits.depth else { throw ListingReader.nonsense("groups too deep") }
      _ = try message.number()
      let attributes = try attributes(of: path)
      let links = try links(path: path, depth: depth)
      return .group(
        HDF5Group(path: path, attributes: attributes, links: links, file: store.path))
    case .dataset:
      let address = try message.number()
      let attributes = try attributes(of: path)
      let listed = try ListedDataset(from: &message)
      return .dataset(
        HDF5Dataset(listed, path: path, address: address, attributes: attributes, store: store))
    case .other: return .other(try message.text())
    case nil: throw ListingReader.nonsense("an unknown kind of object")
    }
  }

  private mutating func attributes(of path: String) throws(LibraryFailure) -> [HDF5Attribute] {
    var attributes: [HDF5Attribute] = []
    for _ in 0..<(try message.count()) {
      let name = try message.content()
      let value = try HDF5Value(from: &message)
      let text = String(validating: name, as: UTF8.self)
      attributes.append(
        HDF5Attribute(
          name: text ?? String(decoding: name, as: UTF8.self),
          value: text == nil ? .unsupported("a value whose name is not UTF-8") : value))
    }
    let sorted = try sortedByName(attributes, \.name)
    if let name = sorted.repeated {
      throw LibraryFailure(
        .damaged("another attribute has that name"), object: .attribute(name, of: path))
    }
    return sorted.elements
  }

  private mutating func links(path: String, depth: Int) throws(LibraryFailure) -> [HDF5Link] {
    var links: [HDF5Link] = []
    for _ in 0..<(try message.count()) {
      let name = try message.content()
      let text = String(validating: name, as: UTF8.self)
      let shown = text ?? String(decoding: name, as: UTF8.self)
      let object = try object(path: HDF5Group.join(path, shown), depth: depth + 1)
      links.append(
        HDF5Link(
          name: shown,
          object: text == nil ? .other("an object whose name is not UTF-8") : object))
    }
    let sorted = try sortedByName(links, \.name)
    if let name = sorted.repeated {
      throw LibraryFailure(
        .damaged("it holds two objects of the name '\(name)'"), object: .group(path))
    }
    return sorted.elements
  }

  /// Sorts by the bytes of the names, and finds a name that is there twice.
  private func sortedByName<Element>(
    _ elements: [Element], _ name: (Element) -> String
  ) throws(LibraryFailure) -> (elements: [Element], repeated: String?) {
    let sorted = elements.sorted { name($0).utf8.lexicographicallyPrecedes(name($1).utf8) }
    let pair = zip(sorted, sorted.dropFirst()).first {
      name($0).utf8.elementsEqual(name($1).utf8)
    }
    return (sorted, pair.map { name($0.0) })
  }
}

/// What a message says where listing failed.
enum ListedFailure {
  static func put(_ failure: LibraryFailure, into message: inout ListingWriter) {
    message.put(byte: 1)
    switch failure.object {
    case nil: message.put(byte: 0)
    case .group(let path):
      message.put(byte: 1)
      message.put(path)
    case .dataset(let path):
      message.put(byte: 2)
      message.put(path)
    case .attribute(let name, let path):
      message.put(byte: 3)
      message.put(name)
      message.put(path)
    case .object(let path):
      message.put(byte: 4)
      message.put(path)
    }
    switch failure.reason {
    case .library(let operation, let text):
      message.put(byte: 0)
      message.put(operation)
      message.put(text)
    case .tooMany(let what, let limit):
      message.put(byte: 1)
      message.put(what)
      message.put(limit)
    case .unsupported(let text):
      message.put(byte: 2)
      message.put(text)
    case .libraryMissing(let text):
      message.put(byte: 3)
      message.put(text)
    case .libraryVersion(let found, let expected):
      message.put(byte: 4)
      message.put(found)
      message.put(expected)
    case .libraryUnusable(let text):
      message.put(byte: 5)
      message.put(text)
    case .workerMemory(let limit):
      message.put(byte: 6)
      message.put(limit)
    case let other:
      message.put(byte: 7)
      message.put("\(other)")
    }
  }

  static func read(from message: inout ListingReader) throws(LibraryFailure) -> LibraryFailure {
    let object: HDF5Object?
    switch try message.byte() {
    case 0: object = nil
    case 1: object = .group(try message.text())
    case 2: object = .dataset(try message.text())
    case 3: object = .attribute(try message.text(), of: try message.text())
    case 4: object = .object(try message.text())
    default: throw ListingReader.nonsense("an unknown object")
    }
    let reason: HDF5Error.Reason
    switch try message.byte() {
    case 0: reason = .library(operation: try message.text(), text: try message.text())
    case 1: reason = .tooMany(what: try message.text(), limit: try message.integer())
    case 2: reason = .unsupported(try message.text())
    case 3: reason = .libraryMissing(try message.text())
    case 4: reason = .libraryVersion(found: try message.text(), expected: try message.text())
    case 5: reason = .libraryUnusable(try message.text())
    case 6: reason = .workerMemory(limit: try message.integer())
    case 7: reason = .damaged(try message.text())
    default: throw ListingReader.nonsense("an unknown failure")
    }
    return LibraryFailure(reason, object: object)
  }
}
