import ByteIO
import Safetensors
import Tensors
import TorchCheckpoint

/// A whole checkpoint of torch.save: zip archive, pickle, storages.
enum TorchTarget: FuzzTarget {
  static let name = "torch"

  private static let most = 1 << 20

  static func run(_ input: [UInt8]) throws {
    let path = Scratch.write(input, to: "input.bin")
    let format = try TorchFileFormat.of(path)
    let found = try accepted(TorchCheckpointError.self) { try TorchCheckpoint(path: path) }
    guard let checkpoint = found else { return }
    checkpoint.warnings.forEach(requireLine)
    require(format == .archive, "an archive that is not recognised")
    var isRead = true
    for (index, info) in checkpoint.tensors.enumerated() {
      let part: Void? = try accepted(TorchCheckpointError.self) {
        let count = min(info.byteCount, most)
        let bytes = try checkpoint.bytes(of: index, range: 0..<count)
        let start = count / 3
        let part = try checkpoint.bytes(of: index, range: start..<count)
        require(part.elementsEqual(bytes[start...]), "other bytes in pieces")
      }
      if part == nil { isRead = false }
    }
    guard isRead, checkpoint.byteCount <= most else { return }
    let written = Scratch.path("written.safetensors")
    let copied: Void? = try accepted(SafetensorsError.self) {
      try SafetensorsWriter.write(checkpoint, metadata: [], to: written, replacing: true)
    }
    guard copied != nil else { return }
    let again = try SafetensorsFile(path: written)
    require(again.tensors.count == checkpoint.tensors.count, "other tensors after writing")
    for (index, info) in checkpoint.tensors.enumerated() {
      guard let place = again.index(of: info.name) else { fatalError("no \(info) after writing") }
      require(again.tensors[place] == info, "another \(info) after writing")
      require(try again.bytes(of: place) == checkpoint.bytes(of: index), "other bytes of \(info)")
    }
  }

  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? {
    guard var image = ZipImage(input) else { return nil }
    switch mutator.number(below: 8) {
    case 0: return nil
    case 1: return ZipImage(mutator.bytes(input))?.bytes
    case 2: image.changeEntry(&mutator)
    default: image.changeContent(&mutator)
    }
    return image.bytes
  }
}

/// A zip archive taken apart, so that it can be put together again after a change.
struct ZipImage {
  private struct Entry {
    var central: [UInt8]  // 46 bytes
    var name: [UInt8]
    var content: [UInt8]
    var isStored: Bool { central[10] == 0 && central[11] == 0 }
  }

  private var entries: [Entry] = []

  init?(_ input: [UInt8]) {
    guard input.count >= 22 else { return nil }
    let end = input.count - 22
    guard input[end...].starts(with: [0x50, 0x4b, 5, 6]) else { return nil }
    let count = Int(input.littleEndian(at: end + 10, as: UInt16.self))
    var position = Int(input.littleEndian(at: end + 16, as: UInt32.self))
    for _ in 0..<min(count, 64) {
      guard position <= end - 46 else { return nil }
      let central = Array(input[position..<(position + 46)])
      let nameLength = Int(central.littleEndian(at: 28, as: UInt16.self))
      guard nameLength <= end - position - 46 else { return nil }
      let name = Array(input[(position + 46)..<(position + 46 + nameLength)])
      position += 46 + nameLength + Int(central.littleEndian(at: 30, as: UInt16.self))
      position += Int(central.littleEndian(at: 32, as: UInt16.self))
      let size = Int(central.littleEndian(at: 20, as: UInt32.self))
      let local = Int(central.littleEndian(at: 42, as: UInt32.self))
      guard local <= end - 30 else { return nil }
      let start =
        local + 30 + Int(input.littleEndian(at: local + 26, as: UInt16.self))
        + Int(input.littleEndian(at: local + 28, as: UInt16.self))
      guard start <= end, size <= end - start else { return nil }
      entries.append(
        Entry(central: central, name: name, content: Array(input[start..<(start + size)])))
    }
    if entries.isEmpty { return nil }
  }

  /// The archive, all positions, lengths and checksums made to fit but those of what is compressed.
  var bytes: [UInt8] {
    var result: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      var central = entry.central
      central.replaceSubrange(0..<4, with: [0x50, 0x4b, 1, 2])
      if entry.isStored {
        central.set(crc(entry.content), at: 16)
        central.set(UInt32(entry.content.count), at: 24)
      }
      central.set(UInt32(entry.content.count), at: 20)
      central.set(UInt16(entry.name.count), at: 28)
      central.set(UInt32(0), at: 30)  // extra field and comment
      central.set(UInt32(result.count), at: 42)
      directory += central + entry.name
      result += [0x50, 0x4b, 3, 4] + central[6..<30] + [0, 0] + entry.name + entry.content
    }
    let start = result.count
    result += directory + [0x50, 0x4b, 5, 6, 0, 0, 0, 0]
    result += littleEndianBytes(UInt16(entries.count)) + littleEndianBytes(UInt16(entries.count))
    result +=
      littleEndianBytes(UInt32(directory.count)) + littleEndianBytes(UInt32(start)) + [0, 0]
    return result
  }

  mutating func changeContent(_ mutator: inout Mutator) {
    // The pickle says more than the storages do.
    let pickle = entries.firstIndex { $0.name.suffix(8).elementsEqual("data.pkl".utf8) }
    let number =
      mutator.number(below: 4) > 0 ? pickle ?? 0 : mutator.number(below: entries.count)
    let content = entries[number].content
    entries[number].content = mutator.bytes(content, capacity: content.count + 64)
  }

  mutating func changeEntry(_ mutator: inout Mutator) {
    let number = mutator.number(below: entries.count)
    switch mutator.number(below: 4) {
    case 0: entries[number].name = mutator.bytes(entries[number].name)
    case 1: entries.swapAt(number, mutator.number(below: entries.count))
    case 2: if entries.count < 32 { entries.append(entries[number]) }
    default:
      let changed = mutator.bytes(entries[number].central, capacity: 46)
      if changed.count == 46 { entries[number].central = changed }
    }
  }
}
