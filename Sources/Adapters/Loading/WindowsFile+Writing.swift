internal import ByteIO
internal import Tensors

extension WindowsFile {
  /// Writes the windows as JSON (Merging §3.5).
  ///
  /// - Throws: `FileError`, errors of writing.
  public func writeJSON(to path: String, replacing: Bool) throws {
    var object = JSONObject()
    for (name, windows) in blocks {
      guard object.append(name.string, windows.json) else {
        throw AdapterError.duplicateBlock(name)
      }
    }
    let text = JSONValue.object(object).serialized(indented: true) + "\n"
    try OutputFile.write(Array(text.utf8), to: path, replacing: replacing)
  }
}
