@testable import FoldJobs
import ByteIO

/// The journal of a fold in place.
enum JournalTarget: FuzzTarget {
  static let name = "journal"

  static func run(_ input: [UInt8]) throws {
    let path = Scratch.write(input, to: "input.fold-journal")
    _ = try accepted(InPlaceError.self) {
      let store = try JournalStore(path: path)
      let written = store.head.bytes
      let again = try JournalHead.read(path: path, size: written.count) {
        Array(written[$0..<($0 + $1)])
      }
      require(again.head == store.head && again.size == written.count, "another head")
      let progress = try store.progress()
      require(progress.groupsDone <= store.head.groupCount, "more groups than there are")
      _ = try store.unfinished(progress, threads: 1)
    }
  }

  /// A change of one part, and the hashes of head, marks and record made to fit.
  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? {
    guard input.count >= 104 else { return nil }
    let page = JournalHead.pageSize
    let length = min(max(104, Int(input.littleEndian(at: 12, as: UInt32.self))), input.count)
    let marks = (length + page - 1) / page * page
    let record = marks + 2 * page
    var result = input
    switch mutator.number(below: 8) {
    case 0: return nil
    case 1: result = mutator.bytes(input)
    case 2, 3: change(&result, 12..<length, &mutator)
    case 4: change(&result, marks..<(marks + 8), &mutator)
    case 5: change(&result, (marks + page)..<(marks + page + 8), &mutator)
    default: change(&result, record..<(record + 128), &mutator)
    }
    repair(&result)
    return result
  }

  private static func change(_ bytes: inout [UInt8], _ range: Range<Int>, _ mutator: inout Mutator)
  {
    let range = range.clamped(to: 0..<bytes.count)
    guard !range.isEmpty else { return }
    let changed = mutator.bytes(Array(bytes[range]), capacity: range.count)
    bytes.replaceSubrange(range.lowerBound..<(range.lowerBound + changed.count), with: changed)
  }

  private static func repair(_ result: inout [UInt8]) {
    guard result.count >= 104 else { return }
    let page = JournalHead.pageSize
    let length = Int(result.littleEndian(at: 12, as: UInt32.self))
    guard (104...result.count).contains(length) else { return }
    hash(&result, 0..<(length - 32))
    let fingerprint = Array(result[16..<48])
    let marks = (length + page - 1) / page * page
    for start in [marks, marks + page] where result.count - start >= 40 {
      let digest = SHA256Hasher.digest(of: fingerprint + result[start..<(start + 8)])
      result.replaceSubrange((start + 8)..<(start + 40), with: digest.bytes)
    }
    let record = marks + 2 * page
    guard result.count - record >= 48 else { return }
    let spans = Int(result.littleEndian(at: record + 8, as: UInt32.self))
    let end = record + 16 + 56 * min(spans, 1 << 16)
    guard end + 32 <= result.count else { return }
    var position = end + 32
    for span in 0..<spans {
      let start = record + 16 + 56 * span
      let count = result.littleEndian(at: start + 16, as: UInt64.self)
      guard count <= UInt64(result.count - position) else { break }
      let digest = SHA256Hasher.digest(of: Array(result[position..<(position + Int(count))]))
      result.replaceSubrange((start + 24)..<(start + 56), with: digest.bytes)
      position += Int(count)
    }
    let digest = SHA256Hasher.digest(of: fingerprint + result[record..<end])
    result.replaceSubrange(end..<(end + 32), with: digest.bytes)
  }

  private static func hash(_ bytes: inout [UInt8], _ range: Range<Int>) {
    bytes.replaceSubrange(
      range.upperBound..<(range.upperBound + 32),
      with: SHA256Hasher.digest(of: Array(bytes[range])).bytes)
  }
}
