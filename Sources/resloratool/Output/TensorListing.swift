import ByteIO
import Contents
import Tensors

/// Tensors with their statistics, as `inspect --tensors` and `--stats` list them.
struct TensorListing {
  private let tensors: [TensorInfo]
  private let files: [String]
  private let showsFiles: Bool
  private let statistics: [TensorStatistics?]

  /// - Parameter files: the name of the file that holds each tensor.
  init(
    _ source: any TensorSource, files: [String], withStatistics: Bool, _ common: CommonOptions
  ) throws {
    tensors = source.tensors
    self.files = files
    showsFiles = Set(files).count > 1
    statistics =
      withStatistics
      ? try TensorStatistics.all(
        of: source, threads: common.threadCount, progress: Interruption.check)
      : []
  }

  var json: JSONValue {
    .array(
      tensors.indices.map { index in
        .members([
          "name": .string(tensors[index].name.string),
          "dtype": .string(tensors[index].dtype.rawValue),
          "shape": .array(tensors[index].shape.map(JSONValue.integer)),
          "bytes": .integer(tensors[index].byteCount),
          "file": .string(files[index]),
          "stats": statistics.isEmpty ? nil : statistics[index].map(json) ?? .null,
        ])
      })
  }

  private func json(_ statistics: TensorStatistics) -> JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map(JSONValue.double) ?? .null }
    return .members([
      "min": number(statistics.minimum), "max": number(statistics.maximum),
      "mean": number(statistics.mean), "std": number(statistics.deviation),
      "norm": .double(statistics.norm), "zeros": .integer(statistics.zeros),
      "nonfinite": .integer(statistics.nonFinite),
    ])
  }

  var text: String {
    var table = Table([
      ("tensor", .left), ("dtype", .left), ("shape", .left), ("bytes", .right), ("file", .left),
      ("min", .right), ("max", .right), ("mean", .right), ("std", .right), ("norm", .right),
      ("zeros", .right), ("not finite", .right),
    ])
    for index in tensors.indices {
      let info = tensors[index]
      let own = statistics.isEmpty ? nil : statistics[index]
      func number(_ value: Double?) -> String { value.map(Format.number) ?? "" }
      table.append(
        [
          info.name.description, info.dtype.rawValue, Format.shape(info.shape),
          "\(info.byteCount)", showsFiles ? files[index].escapedForTerminal : "",
          number(own?.minimum), number(own?.maximum), number(own?.mean), number(own?.deviation),
          number(own?.norm),
        ] + (own.map { ["\($0.zeros)", "\($0.nonFinite)"] } ?? ["", ""]))
    }
    return table.text
  }
}
