import ByteIO
import Safetensors
import Tensors

/// A whole safetensors file: header and where the data lie.
enum SafetensorsTarget: FuzzTarget {
  static let name = "safetensors"

  static func run(_ input: [UInt8]) throws {
    let path = Scratch.write(input, to: "input.safetensors")
    guard
      let file = try accepted(SafetensorsError.self, body: { try SafetensorsFile(path: path) })
    else { return }

    let header = file.header
    var end = header.dataStart
    for (index, info) in file.tensors.enumerated() {
      require(file.location(of: index).offset == end, "a gap before \(info.name)")
      require(file.index(of: info.name) == index, "\(info.name) is not found")
      let bytes = try file.bytes(of: index)
      require(bytes.elementsEqual(input[end..<(end + info.byteCount)]), "other bytes")
      end += info.byteCount
    }
    require(end == input.count, "bytes that belong to no tensor")

    let same = SafetensorsLayout(preserving: header)
    require(same.headerBytes.elementsEqual(input[..<header.dataStart]), "another header")
    let layout = SafetensorsLayout(tensors: file.tensors, metadata: header.metadata)
    require(layout.fileSize - layout.headerBytes.count == end - header.dataStart, "another size")
    let again = try SafetensorsHeader(
      text: Array(layout.headerBytes[8...]), dataSize: end - header.dataStart, path: path)
    require(again.tensors == layout.tensors, "other tensors after writing")
    require(
      again.metadata.elementsEqual(header.metadata) {
        TensorName($0.key) == TensorName($1.key) && TensorName($0.value) == TensorName($1.value)
      }, "other metadata after writing")
    require(Set(again.tensors.map(\.name)) == Set(file.tensors.map(\.name)), "other names")
    for info in again.tensors {
      require(header.index(of: info.name).map { header.tensors[$0] } == info, "another \(info)")
    }
  }

  /// The header's length and the data's made to fit what the header says.
  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? {
    guard mutator.number(below: 4) > 0, input.count > 8 else { return nil }
    let length = Int(truncatingIfNeeded: input.littleEndian(at: 0, as: UInt64.self) & 0xffff_ffff)
    let end = min(input.count, 8 + length)
    var text = Array(input[8..<end])
    var data = Array(input[end...])
    if mutator.number(below: 8) > 0 {
      text = mutator.bytes(text)
    } else {
      data = mutator.bytes(data)
    }
    if mutator.number(below: 4) > 0, let needed = dataSize(text), needed <= 4096 {
      data = data.prefix(needed) + [UInt8](repeating: 1, count: max(0, needed - data.count))
    }
    return littleEndianBytes(UInt64(text.count)) + text + data
  }

  /// The largest end of any entry.
  private static func dataSize(_ text: [UInt8]) -> Int? {
    guard let object = try? JSONValue(parsing: text).object else { return nil }
    return object.members.compactMap {
      $0.value.object?["data_offsets"]?.array?.last?.number?.integer
    }
    .max().flatMap { $0 >= 0 ? $0 : nil }
  }
}
