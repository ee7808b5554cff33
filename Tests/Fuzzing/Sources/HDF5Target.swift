@testable import HDF5
import ByteIO
import Tensors

/// What is read of HDF5 files without its library: the message of the process that lists a file,
/// where the data lie, the chunks. An input is the message after its length in two bytes, then the
/// file.
enum HDF5Target: FuzzTarget {
  static let name = "hdf5"

  private static let most = 1 << 16

  static func run(_ input: [UInt8]) throws {
    guard let (message, file) = parts(of: input) else { return }
    let path = Scratch.write(file, to: "input.h5")
    let root = try accepted(HDF5Error.self) {
      do {
        let store = try FileStore(ReadableFile(path: path), path: path, cacheLimit: 1 << 20)
        var tree = ListedTree(
          message: ListingReader(message), store: store, limits: ListingLimits())
        return try tree.read()
      } catch let failure as LibraryFailure {
        throw failure.error(path: path)
      }
    }
    if let root { try read(root) }
  }

  private static func read(_ group: HDF5Group) throws {
    for link in group.links {
      switch link.object {
      case .group(let inner): try read(inner)
      case .dataset(let dataset): try read(dataset)
      case .other: break
      }
    }
  }

  private static func read(_ dataset: HDF5Dataset) throws {
    _ = try accepted(HDF5Error.self) { try dataset.locate() }
    _ = try accepted(HDF5Error.self) { try dataset.text(limit: 256) }
    _ = try accepted(HDF5Error.self) {
      let count = min(try dataset.info(name: "x").byteCount, most)
      // Fills of what was never written are as large as a header says.
      var whole = [UInt8](repeating: 0, count: count)
      try whole.withUnsafeMutableBytes { try dataset.read(at: 0, into: $0) }
      var part = [UInt8](repeating: 0, count: count - count / 3)
      try part.withUnsafeMutableBytes { try dataset.read(at: count / 3, into: $0) }
      require(part.elementsEqual(whole[(count / 3)...]), "other bytes in pieces")
    }
  }

  private static func parts(of input: [UInt8]) -> (message: [UInt8], file: [UInt8])? {
    guard input.count >= 2 else { return nil }
    let end = 2 + Int(input.littleEndian(at: 0, as: UInt16.self))
    guard end <= input.count else { return nil }
    return (Array(input[2..<end]), Array(input[end...]))
  }

  /// An input of a file, listed by the library.
  static func seed(_ path: String) throws -> [UInt8] {
    let file = try ReadableFile(path: path)
    let limits = ListingLimits()
    let message = try HDF5Library.session { library in
      try ListingWriter.message(limit: limits.messageBytes) { message in
        message.put(byte: 0)
        try Lister.list(file.descriptor, library: library, limits: limits, message: &message)
      }
    }
    return littleEndianBytes(UInt16(message.count)) + message
      + (try file.bytes(at: 0, count: file.size))
  }

  // MARK: Changing

  private static let signatures = Set(
    [
      "OHDR", "OCHK", "FAHD", "FADB", "EAHD", "EAIB", "EASB", "EADB", "BTHD", "BTIN", "BTLF",
    ].map { Array($0.utf8).littleEndian(at: 0, as: UInt32.self) })

  /// A structure: where it begins and where its checksum is, or where it surely ends.
  private struct Structure {
    let start: Int
    let end: Int
    let hasChecksum: Bool
  }

  /// The structures of files that were changed last: to find checksums takes longer than to run.
  nonisolated(unsafe) private static var known: [[UInt8]: [Structure]] = [:]

  private static func structures(of file: [UInt8]) -> [Structure] {
    if let found = known[file] { return found }
    let starts = (0..<max(0, file.count - 8)).filter {
      signatures.contains(file.littleEndian(at: $0, as: UInt32.self))
    }
    let found = starts.enumerated().map { number, start in
      let limit = min(number + 1 < starts.count ? starts[number + 1] : file.count, start + 256)
      let end = (start + 8..<max(start + 9, limit - 3)).first {
        $0 + 4 <= file.count
          && lookup3(file[start..<$0]) == file.littleEndian(at: $0, as: UInt32.self)
      }
      return Structure(start: start, end: end ?? limit, hasChecksum: end != nil)
    }
    remember(found, of: file)
    return found
  }

  private static func remember(_ structures: [Structure], of file: [UInt8]) {
    if known.count > 2000 { known = [:] }
    known[file] = structures
  }

  /// The checksums that held before made to hold again.
  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? {
    guard let (message, file) = parts(of: input), message.count < 4096 else { return nil }
    if mutator.number(below: 4) == 0 {
      let changed = mutator.bytes(message, capacity: 4096)
      return littleEndianBytes(UInt16(changed.count)) + changed + file
    }
    let structures = structures(of: file)
    guard !structures.isEmpty, mutator.number(below: 8) > 0 else {
      return littleEndianBytes(UInt16(message.count)) + message + mutator.bytes(file)
    }
    // A change inside a structure, so that nothing after it moves.
    let structure = structures[mutator.number(below: structures.count)]
    guard structure.end - structure.start > 4 else { return nil }
    let place = structure.start + 4 + mutator.number(below: structure.end - structure.start - 4)
    let count = min(structure.end - place, 1 + mutator.number(below: 12))
    let piece = mutator.bytes(Array(file[place..<(place + count)]), capacity: count)
    var changed = file
    changed.replaceSubrange(place..<(place + piece.count), with: piece)
    if structure.hasChecksum {
      changed.set(lookup3(changed[structure.start..<structure.end]), at: structure.end)
    }
    remember(structures, of: changed)
    return littleEndianBytes(UInt16(message.count)) + message + changed
  }
}
