internal import ByteIO
internal import Tensors

extension WindowsFile {
  /// The blocks that have any norm, sorted by name.
  ///
  /// - Throws: `SidecarError` for a window of more than 100 norms where no capacity is stated.
  func blocksToWrite() throws(SidecarError) -> [(name: TensorName, windows: NormWindows)] {
    try requireCapacities()
    return blocks.filter { !$0.windows.isEmpty }.sorted { $0.name < $1.name }
  }

  /// Writes the windows as JSON (Merging §3.5).
  ///
  /// - Throws: as `blocksToWrite()`, `FileError`, errors of writing.
  public func writeJSON(to path: String, replacing: Bool) throws {
    var object = JSONObject()
    for (name, windows) in try blocksToWrite() {
      guard object.append(name.string, windows.json) else {
        throw AdapterError.duplicateBlock(name)
      }
    }
    let text = JSONValue.object(object).serialized(indented: true) + "\n"
    try OutputFile.write(Array(text.utf8), to: path, replacing: replacing)
  }
}
