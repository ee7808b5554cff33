import Adapters
import ByteIO
import Tensors

/// Norm windows in JSON, and topologies, which are told by a key.
enum WindowsTarget: FuzzTarget {
  static let name = "windows"

  static func run(_ input: [UInt8]) throws {
    // Other formats have targets of their own, and HDF5's library has crashes of its own.
    guard let first = input.first(where: { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }),
      first == UInt8(ascii: "{"), !input.prefix(8).contains(0)
    else { return }
    let path = Scratch.write(input, to: "windows.json")
    _ = try accepted(SidecarError.self) { try TopologyFile(path: path) }
    // After much white space it is not seen to be JSON, and no adapter either.
    let found = try accepted(SidecarError.self, ContentError.self, AdapterError.self) {
      try WindowsFile(path: path)
    }
    guard let windows = found else { return }
    let written = Scratch.path("written.json")
    let copied: Void? = try accepted(SidecarError.self) {
      try windows.writeJSON(to: written, replacing: true)
    }
    guard copied != nil else { return }
    let again = try WindowsFile(path: written)
    let kept = windows.blocks.filter { !$0.windows.isEmpty }.sorted { $0.name < $1.name }
    require(
      again.blocks.elementsEqual(kept) {
        $0.name == $1.name && $0.windows.input.values == $1.windows.input.values
          && $0.windows.projection.values == $1.windows.projection.values
          && $0.windows.capacity == $1.windows.capacity
      }, "other windows after writing")
  }
}
