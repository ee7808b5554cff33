internal import ByteIO
internal import Tensors

/// A topology given beside an adapter whose source stores none (Merging §3.4).
public struct TopologyFile: Sendable {
  /// The file's path.
  public let path: String

  let structure: Structure?
  let root: RootRule?
  let reach: PredecessorCount?
  private let links: [TensorName: TensorName?]

  /// Whether a JSON text says which block follows which, and so is no norm windows.
  static func matches(_ probe: InputProbe) -> Bool {
    guard probe.isJSON, let file = try? SidecarFile(path: probe.path) else { return false }
    return file.object["previous"]?.object != nil
  }

  /// Reads a topology file.
  ///
  /// - Throws: `SidecarError`, errors of reading.
  public init(path: String) throws {
    let file = try SidecarFile(path: path)
    for (key, _) in file.object.members
    where !["structure", "root", "pre_num", "previous"].contains(key) {
      throw file.failure(.unknownKey(key))
    }
    self.path = path
    structure = try file.word("structure", as: Structure.self)
    root = try file.word("root", as: RootRule.self)
    reach = try file.integer("pre_num", in: -1...Int.max).flatMap(PredecessorCount.init)
    guard let previous = file.object["previous"]?.object else {
      throw file.failure(.missing(key: "previous", expected: "an object of block to predecessor"))
    }
    var links: [TensorName: TensorName?] = [:]
    for (block, value) in previous.members {
      guard value.isNull || value.string != nil else {
        throw file.failure(
          .badValue(key: block, found: value.serialized(), expected: "a block's name or null"))
      }
      links[TensorName(block)] = .some(value.string.map { TensorName($0) })
    }
    self.links = links
  }

  /// The predecessors of the named blocks; the file must mention exactly these blocks.
  func previous(of names: [TensorName]) throws -> [TensorName?] {
    let known = Set(names)
    for block in links.keys.sorted() where !known.contains(block) {
      throw SidecarError(
        path: path,
        reason: .unknownBlock(block, nearest: NameDistance.nearest(to: block, among: names)))
    }
    return try names.map { name in
      guard let link = links[name] else {
        throw SidecarError(path: path, reason: .missingBlock(name))
      }
      return link
    }
  }
}
