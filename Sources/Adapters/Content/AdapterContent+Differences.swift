internal import ByteIO
internal import Tensors

extension Adapter {
  /// What is said of this adapter and of another one that is not the same, tensors aside (Adapter
  /// §2): one line each, this adapter's value first.
  public func descriptionDifferences(from other: Adapter) -> [String] {
    let (one, two) = (AdapterContent(self), AdapterContent(other))
    var lines = JSONObject.differences(one.header, two.header)
    let others = Dictionary(two.blocks.map { ($0.name, $0) }) { first, _ in first }
    for block in one.blocks {
      guard let twin = others[block.name] else {
        lines.append("block '\(block.name)': only in the first")
        continue
      }
      lines += JSONObject.differences(block.object, twin.object).map {
        "block '\(block.name)': \($0)"
      }
    }
    let names = Set(one.blocks.map(\.name))
    lines += two.blocks.filter { !names.contains($0.name) }.map {
      "block '\($0.name)': only in the second"
    }
    if lines.isEmpty, one.blocks.map(\.name) != two.blocks.map(\.name) {
      lines.append("the order of the blocks")
    }
    return lines
  }
}

extension JSONObject {
  /// The members in which two objects differ, in words.
  fileprivate static func differences(_ one: JSONObject, _ two: JSONObject) -> [String] {
    let keys = one.members.map(\.key) + two.members.map(\.key).filter { one[$0] == nil }
    return keys.filter { one[$0] != two[$0] }.map { key in
      "\(key) (\(one[key]?.excerpt ?? "not stated"), \(two[key]?.excerpt ?? "not stated"))"
    }
  }
}
