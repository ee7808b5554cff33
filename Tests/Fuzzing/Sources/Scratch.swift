import ByteIO
import Glibc
import Safetensors
import Tensors

/// A folder in memory for readers that take files.
enum Scratch {
  static let folder: String = {
    let path = "/dev/shm/resloratool-fuzzing-\(getpid())"
    require(mkdir(path, 0o700) == 0 || errno == EEXIST, "no folder for files")
    atexit { Scratch.removeAll() }
    return path
  }()

  static func path(_ name: String) -> String { folder + "/" + name }

  /// Makes a folder inside.
  static func makeFolder(_ name: String) -> String {
    require(mkdir(path(name), 0o700) == 0 || errno == EEXIST, "no folder \(name)")
    return path(name)
  }

  /// Writes a file, in place of an older one; its path.
  @discardableResult
  static func write(_ bytes: [UInt8], to name: String) -> String {
    let path = path(name)
    guard let file = fopen(path, "w") else { fatalError("no file \(path)") }
    let count = fwrite(bytes, 1, bytes.count, file)
    require(fclose(file) == 0 && count == bytes.count, "no room for \(path)")
    return path
  }

  /// Writes a safetensors file of zeros.
  static func write(tensors: [(name: String, shape: [Int])], to name: String) {
    let infos = tensors.compactMap {
      try? TensorInfo(name: TensorName($0.name), dtype: .f32, shape: $0.shape)
    }
    let layout = SafetensorsLayout(tensors: infos, metadata: [])
    let data = [UInt8](repeating: 0, count: layout.fileSize - layout.headerBytes.count)
    write(layout.headerBytes + data, to: name)
  }

  /// Removes what was written; after a crash it stays until `run.py` removes it.
  static func removeAll() { remove(folder) }

  private static func remove(_ path: String) {
    if let entries = try? Paths.entries(of: path) {
      for entry in entries { remove(path + "/" + entry) }
    }
    _ = Glibc.remove(path)
  }
}
