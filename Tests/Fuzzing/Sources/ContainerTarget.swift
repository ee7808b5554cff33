@testable import Adapters
import ByteIO
import ResLoRAContainer
import Tensors

/// A whole `.reslora` file.
enum ContainerTarget: FuzzTarget {
  static let name = "reslora"

  static func run(_ input: [UInt8]) throws {
    let path = Scratch.write(input, to: "input.reslora")
    let validation = try ContainerValidation(of: ReadableFile(path: path))
    for error in validation.errors { requireLine("\(error)") }
    let file: ContainerFile
    do {
      file = try ContainerFile(path: path)
    } catch let error as ContainerError {
      requireLine("\(error)")
      require(validation.errors.first == error, "another error on opening: \(error)")
      return
    }
    require(validation.file != nil, "a file that opens is not valid enough to")
    var isRead = true
    for (index, info) in file.tensors.enumerated() {
      let part: Void? = try accepted(ContainerError.self) {
        let bytes = try file.bytes(of: index)
        guard info.byteCount > 2 else { return }
        let part = try file.bytes(of: index, range: 1..<(info.byteCount - 1))
        require(part.elementsEqual(bytes[1..<(bytes.count - 1)]), "other bytes in pieces")
      }
      if part == nil { isRead = false }
    }
    guard validation.errors.isEmpty else { return }
    require(isRead, "a valid file is not readable")
    try roundTrip(path)
  }

  private static func roundTrip(_ path: String) throws {
    let found = try accepted(ContentError.self, AdapterError.self) { try Adapter(path: path) }
    guard let adapter = found else { return }
    try same(adapter, as: .reslora, "written.reslora")
    try same(adapter, as: .safetensors, "written.safetensors")
  }

  private static func same(_ adapter: Adapter, as format: AdapterOutputFormat, _ name: String)
    throws
  {
    let path = Scratch.path(name)
    let written: Void? = try accepted(AdapterError.self) {
      try adapter.write(to: path, as: format, options: WriteOptions(replacing: true))
    }
    guard written != nil else { return }
    let again = try Adapter(path: path)
    require(
      AdapterContent(again).text == AdapterContent(adapter).text, "another description in \(name)")
    let (left, right) = (
      try AdapterContent.tensors(of: adapter), try AdapterContent.tensors(of: again)
    )
    require(left.tensors == right.tensors, "other tensors in \(name)")
    for index in left.tensors.indices {
      require(try left.bytes(of: index) == right.bytes(of: index), "other bytes in \(name)")
    }
  }

  // MARK: Changing

  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? {
    var image = ContainerImage(input)
    switch mutator.number(below: 8) {
    case 0: return nil
    case 1:
      // Anything, then the checksums where they lie.
      var changed = ContainerImage.repaired(mutator.bytes(input))
      if mutator.number(below: 2) == 0 { changed = ContainerImage(changed)?.bytes ?? changed }
      return changed
    case 2: image?.changeEntry(&mutator)
    case 3: image?.changeOrder(&mutator)
    default: image?.changeContent(&mutator)
    }
    return image?.bytes
  }
}

/// A container taken apart, so that it can be put together again after a change.
struct ContainerImage {
  private struct Chunk {
    var entry: [UInt8]  // 40 bytes of the directory
    var stored: [UInt8]
    var isRaw: Bool { entry[4] == 0 }
  }

  private var header: [UInt8]
  private var chunks: [Chunk] = []

  init?(_ input: [UInt8]) {
    guard input.count >= 104 else { return nil }
    header = Array(input[..<64])
    let count = Int(input.littleEndian(at: 48, as: UInt32.self))
    guard count >= 1, count <= 64, 64 + 40 * count <= input.count else { return nil }
    let directory = input.count - 40 * count
    for number in 0..<count {
      let entry = Array(input[(directory + 40 * number)..<(directory + 40 * number + 40)])
      let offset = entry.littleEndian(at: 8, as: UInt64.self)
      let length = entry.littleEndian(at: 16, as: UInt64.self)
      guard offset <= UInt64(directory), length <= UInt64(directory) - offset else { return nil }
      chunks.append(
        Chunk(entry: entry, stored: Array(input[Int(offset)..<Int(offset + length)])))
    }
  }

  /// The file, all positions, lengths, checksums and hashes made to fit.
  var bytes: [UInt8] {
    var result = header
    var entries: [UInt8] = []
    var all = chunks
    ContainerImage.fixTable(&all)
    for (number, chunk) in all.enumerated() {
      var entry = chunk.entry
      entry.set(UInt64(result.count), at: 8)
      entry.set(UInt64(chunk.stored.count), at: 16)
      if chunk.isRaw { entry.set(UInt64(chunk.stored.count), at: 24) }
      entry.set(ContainerImage.checksum(number, entry, chunk.stored), at: 32)
      entries += entry
      result += chunk.stored
      result += [UInt8](repeating: 0, count: (64 - result.count % 64) % 64)
    }
    let directory = result.count
    result += entries
    result.set(UInt64(result.count), at: 32)
    result.set(UInt64(directory), at: 40)
    result.set(UInt32(all.count), at: 48)
    result.set(crc(entries), at: 52)
    result.set(crc(Array(result[..<60])), at: 60)
    return result
  }

  /// The checksums of a file made to fit where they lie.
  static func repaired(_ input: [UInt8]) -> [UInt8] {
    var result = input
    guard input.count >= 64 else { return input }
    let count = Int(input.littleEndian(at: 48, as: UInt32.self))
    if count <= 64, 40 * count <= input.count - 64 {
      let directory = input.count - 40 * count
      for number in 0..<count {
        let start = directory + 40 * number
        let entry = Array(result[start..<(start + 40)])
        let offset = entry.littleEndian(at: 8, as: UInt64.self)
        let length = entry.littleEndian(at: 16, as: UInt64.self)
        guard offset <= UInt64(directory), length <= UInt64(directory) - offset else { continue }
        let stored = Array(result[Int(offset)..<Int(offset + length)])
        result.set(checksum(number, entry, stored), at: start + 32)
      }
      result.set(crc(Array(result[directory...])), at: 52)
    }
    result.set(crc(Array(result[..<60])), at: 60)
    return result
  }

  mutating func changeContent(_ mutator: inout Mutator) {
    let number = mutator.number(below: chunks.count)
    chunks[number].stored = mutator.bytes(
      chunks[number].stored, capacity: chunks[number].stored.count + 64)
    if chunks[number].stored.isEmpty { chunks[number].stored = [0] }
  }

  mutating func changeEntry(_ mutator: inout Mutator) {
    let number = mutator.number(below: chunks.count + 1)
    if number == chunks.count {
      let changed = mutator.bytes(header, capacity: 64)
      if changed.count == 64 { header = Array(header[..<8]) + changed[8...] }
      return
    }
    let changed = mutator.bytes(chunks[number].entry, capacity: 40)
    if changed.count == 40 { chunks[number].entry = changed }
  }

  mutating func changeOrder(_ mutator: inout Mutator) {
    let (one, other) = (mutator.number(below: chunks.count), mutator.number(below: chunks.count))
    switch mutator.number(below: 3) {
    case 0: chunks.swapAt(one, other)
    case 1: if chunks.count > 1 { chunks.remove(at: one) }
    default: if chunks.count < 32 { chunks.insert(chunks[other], at: one) }
    }
  }

  private static func checksum(_ number: Int, _ entry: [UInt8], _ stored: [UInt8]) -> UInt32 {
    crc(littleEndianBytes(UInt32(number)) + entry[..<4] + stored)
  }

  /// Checksums, hashes and identity of an uncompressed table whose tensors are uncompressed.
  private static func fixTable(_ chunks: inout [Chunk]) {
    let data = chunks.filter { $0.entry.starts(with: "DATA".utf8) }
    guard let place = chunks.firstIndex(where: { $0.entry.starts(with: "TENS".utf8) }),
      chunks[place].isRaw
    else { return }
    var table = chunks[place].stored
    guard table.count >= 40 else { return }
    var position = 40
    var parts: [(name: [UInt8], bytes: [UInt8])] = []
    while table.count - position >= 48 {
      let start = position
      let names = Int(table.littleEndian(at: start, as: UInt16.self))
      let shapes = 8 * Int(table[start + 3])
      position += (48 + shapes + names + 7) & ~7
      guard position <= table.count else { break }
      let first = Int(table.littleEndian(at: start + 4, as: UInt32.self))
      let count = Int(table.littleEndian(at: start + 8, as: UInt32.self))
      if first <= data.count, count <= data.count - first,
        data[first..<(first + count)].allSatisfy({ $0.isRaw && $0.entry[5] == 1 })
      {
        let raw = data[first..<(first + count)].flatMap(\.stored)
        table.set(crc(raw), at: start + 12)
        table.replaceSubrange(
          (start + 16)..<(start + 48), with: SHA256Hasher.digest(of: raw).bytes)
      }
      let name = Array(table[(start + 48 + shapes)..<(start + 48 + shapes + names)])
      var part = Array(table[start..<(start + 4)])
      part += table[(start + 48)..<(start + 48 + shapes)]
      part += name
      part += table[(start + 16)..<(start + 48)]
      parts.append((name, part))
    }
    parts.sort { $0.name.lexicographicallyPrecedes($1.name) }
    table.replaceSubrange(8..<40, with: SHA256Hasher.digest(of: parts.flatMap(\.bytes)).bytes)
    chunks[place].stored = table
  }
}

func crc(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32.of($0) } }

extension [UInt8] {
  /// Overwrites a number.
  mutating func set(_ value: some FixedWidthInteger, at offset: Int) {
    replaceSubrange(
      offset..<(offset + MemoryLayout.size(ofValue: value)), with: littleEndianBytes(value))
  }
}
