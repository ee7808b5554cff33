import ByteIO
import Safetensors
import Tensors

/// What readers make of many files, a line of JSON each, for `differential.py`.
enum Batch: String {
  case safetensors = "describe-safetensors"
  case json = "describe-json"
  /// Makes inputs of HDF5 files, beside them.
  case hdf5 = "make-hdf5-inputs"

  func run() {
    while let path = readLine() {
      let line =
        switch self {
        case .safetensors: Batch.safetensors(path)
        case .json: Batch.json(path)
        case .hdf5: Batch.hdf5(path)
        }
      print(line.serialized())
    }
  }

  /// The tensors by name: dtype, shape, SHA-256; or why the file is refused.
  private static func safetensors(_ path: String) -> JSONValue {
    do {
      let file = try SafetensorsFile(path: path)
      var tensors: [JSONValue] = []
      for (index, info) in file.tensors.enumerated() {
        tensors.append(
          .array([
            .string(info.name.string), .string(info.dtype.rawValue),
            .array(info.shape.map { .integer($0) }),
            .string(try SHA256Hasher.digest(of: file.bytes(of: index)).hexadecimal),
          ]))
      }
      var metadata = JSONObject()
      for (key, value) in file.header.metadata { _ = metadata.append(key, .string(value)) }
      return .members(["tensors": .array(tensors), "metadata": .object(metadata)])
    } catch {
      return .members(["refused": .string("\(error)")])
    }
  }

  /// The value; or why the text is refused.
  private static func json(_ path: String) -> JSONValue {
    do {
      let text = try ReadableFile.contents(of: path, limit: 1 << 20)
      return .members(["value": try JSONValue(parsing: text, maximumDepth: 64)])
    } catch {
      return .members(["refused": .string("\(error)")])
    }
  }

  private static func hdf5(_ path: String) -> JSONValue {
    do {
      try OutputFile.write(HDF5Target.seed(path), to: path + ".input", replacing: true)
      return .null
    } catch {
      return .members(["refused": .string("\(error)")])
    }
  }
}
