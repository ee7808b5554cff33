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
    do { _ = try TopologyFile(path: path) } catch is SidecarError {}
    let windows: WindowsFile
    do {
      windows = try WindowsFile(path: path)
    } catch is SidecarError {
      return
    } catch is ContentError {
      return
    } catch is AdapterError {
      // So much white space that it is not seen to be JSON.
      return
    }
    let written = Scratch.path("written.json")
    do { try windows.writeJSON(to: written, replacing: true) } catch is SidecarError { return }
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
