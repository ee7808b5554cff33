@testable import FoldJobs
import ByteIO
import Safetensors

/// A whole undo file.
enum UndoTarget: FuzzTarget {
  static let name = "undo"

  static func run(_ input: [UInt8]) throws {
    let path = Scratch.write(input, to: "input.undo")
    let found = try accepted(UndoError.self, SafetensorsError.self) { try UndoFile(path: path) }
    guard let undo = found else { return }
    let description = UndoDescription(
      base: undo.base, digests: undo.digests, changed: undo.changed)
    var parser = UndoDescriptionParser(description.bytes, path: path)
    let again = try parser.parse()
    require(again.bytes == description.bytes, "another description after reading")
    require(again.base.describesSame(as: undo.base), "another base after writing")
    require(description.bytes.count <= UndoDescription.largestSize(of: undo.base), "a larger size")
    let decoder = SpanDecoder(file: undo.file)
    for (number, chunk) in undo.chunks.enumerated() {
      _ = try accepted(UndoError.self) {
        let bytes = try decoder.decode(chunk, number: number)
        require(bytes.count == chunk.rawLength, "another length")
      }
    }
  }

  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? {
    guard let image = UndoImage(input) else { return nil }
    switch mutator.number(below: 8) {
    case 0: return nil
    case 1: return UndoImage(mutator.bytes(input))?.bytes
    default: return image.changed(&mutator).bytes
    }
  }
}

/// An undo file taken apart, so that it can be put together again after a change.
private struct UndoImage {
  private var header: [UInt8]
  private var chunks: [(entry: [UInt8], stored: [UInt8])] = []

  init?(_ input: [UInt8]) {
    guard input.count >= 64 else { return nil }
    header = Array(input[..<64])
    let count = Int(input.littleEndian(at: 48, as: UInt32.self))
    guard count <= 64, 32 * count <= input.count - 64 else { return nil }
    let directory = input.count - 32 * count
    var position = 64
    for number in 0..<count {
      let start = directory + 32 * number
      let length = Int(input.littleEndian(at: start + 8, as: UInt32.self))
      guard length <= directory - position else { return nil }
      chunks.append(
        (Array(input[start..<(start + 32)]), Array(input[position..<(position + length)])))
      position += length
    }
  }

  var bytes: [UInt8] {
    var result = header
    var directory: [UInt8] = []
    for (entry, stored) in chunks {
      var entry = entry
      entry.set(UInt32(stored.count), at: 8)
      if entry[4] == 0 { entry.set(UInt32(stored.count), at: 12) }
      entry.set(crc(stored), at: 16)
      directory += entry
      result += stored
    }
    result.set(UInt64(result.count), at: 40)
    result += directory
    result.set(UInt64(result.count), at: 32)
    result.set(UInt32(chunks.count), at: 48)
    result.set(crc(directory), at: 52)
    result.set(crc(Array(result[..<60])), at: 60)
    return result
  }

  func changed(_ mutator: inout Mutator) -> UndoImage {
    var image = self
    guard !chunks.isEmpty else { return self }
    let number = mutator.number(below: chunks.count)
    switch mutator.number(below: 6) {
    case 0:
      let entry = mutator.bytes(chunks[number].entry, capacity: 32)
      if entry.count == 32 { image.chunks[number].entry = entry }
    case 1: image.chunks.swapAt(number, mutator.number(below: chunks.count))
    case 2: if chunks.count < 16 { image.chunks.insert(chunks[number], at: number) }
    case 3:
      let changed = mutator.bytes(header, capacity: 64)
      if changed.count == 64 { image.header = Array(header[..<8]) + changed[8...] }
    default:
      let stored = chunks[number].stored
      image.chunks[number].stored = mutator.bytes(stored, capacity: stored.count + 64)
    }
    return image
  }
}
