import ByteIO
import Foundation
import TestSupport
import Testing

/// What lies in a folder and below, to tell whether a run changed anything.
struct Snapshot {
  private let entries: [String: String]

  init(of folder: String) throws {
    var entries: [String: String] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      entries[name] = try Snapshot.description(of: "\(folder)/\(name)")
    }
    self.entries = entries
  }

  /// The paths that are new, gone or changed. Below a new folder none is listed.
  func difference(from old: Snapshot) -> [String] {
    Set(entries.keys).union(old.entries.keys).filter { name in
      guard entries[name] != old.entries[name] else { return false }
      let parent = Paths.parent(of: name)
      return parent == "." || old.entries[parent] != nil
    }.sorted()
  }

  private static func description(of path: String) throws -> String {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    let type = attributes[.type] as? FileAttributeType
    let mode = attributes[.posixPermissions] ?? 0
    switch type {
    case .typeSymbolicLink?:
      return "link to \(try FileManager.default.destinationOfSymbolicLink(atPath: path))"
    case .typeRegular?:
      let size = attributes[.size] as? Int ?? 0
      // Large files are sparse; their dates tell enough.
      let content =
        size > 1 << 26
        ? "\(attributes[.modificationDate] ?? "")"
        : "\(try SHA256Hasher.digest(ofFile: path).hexadecimal))"
      return "file \(mode) \(size) \(content)"
    default: return "\(type?.rawValue ?? "nothing") \(mode)"
    }
  }
}
