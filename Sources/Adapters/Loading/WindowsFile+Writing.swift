internal import ByteIO
internal import Tensors

extension WindowsFile {
  /// Writes the windows as JSON (Merging §3.5).
  ///
  /// - Throws: `SidecarError` for a window that is longer than the capacity a JSON file has,
  ///   `FileError`, errors of writing.
  public func writeJSON(to path: String, replacing: Bool) throws {
    var object = JSONObject()
    for (name, windows) in try blocksToWrite(capacity: NormWindows.defaultCapacity) {
      guard object.append(name.string, windows.lists) else {
        throw AdapterError.duplicateBlock(name)
      }
    }
    let text = JSONValue.object(object).serialized(indented: true) + "\n"
    try OutputFile.write(Array(text.utf8), to: path, replacing: replacing)
  }

  /// The blocks that have any norm, sorted by name, none with more norms than the capacity given or
  /// its own.
  func blocksToWrite(
    capacity: Int? = nil
  ) throws(SidecarError) -> [(name: TensorName, windows: NormWindows)] {
    let blocks = blocks.filter { !$0.windows.isEmpty }.sorted { $0.name < $1.name }
    for (name, windows) in blocks {
      try require(name, windows, within: capacity ?? windows.capacity)
    }
    return blocks
  }

  /// Refuses windows that are longer than a capacity.
  func require(
    _ name: TensorName, _ windows: NormWindows, within capacity: Int
  ) throws(SidecarError) {
    for (kind, window) in [("input", windows.input), ("projection", windows.projection)]
    where window.values.count > capacity {
      throw SidecarError(
        path: path,
        reason: .windowTooLong(
          block: name, kind: kind, found: window.values.count, capacity: capacity))
    }
  }
}

extension NormWindows {
  fileprivate var lists: JSONValue {
    .members([
      "input": input.json, "projection": projection.json,
    ])
  }
}
