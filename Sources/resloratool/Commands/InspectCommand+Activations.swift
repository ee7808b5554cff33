import Activations
import Adapters
import ByteIO
import Tensors

/// What `inspect` shows of captured activations.
struct ActivationsDescription: InspectDescription {
  private let path: String
  private let file: ActivationFile
  private let tensors: TensorListing?
  private let blocks: [Int: [TensorName]]

  init(_ path: String, _ file: ActivationFile, _ tensors: TensorListing?) {
    self.path = path
    self.file = file
    self.tensors = tensors
    blocks = Dictionary(grouping: file.inputs) { $0.matrix }.mapValues { $0.map { $0.block } }
  }

  var json: JSONValue {
    .members([
      "path": .string(path),
      "format": .string(file.format),
      "tokens": .integer(file.tokens),
      "inputs": .array(
        file.matrices.tensors.enumerated().map { index, info in
          .members([
            "name": .string(info.name.string),
            "features": .integer(info.shape[1]),
            "dtype": .string(info.dtype.rawValue),
            "blocks": .array((blocks[index] ?? []).map { .string($0.string) }),
          ])
        }),
      "bytes": .integer(file.matrices.byteCount),
      "metadata": .texts(file.metadata),
      "tensors": tensors?.json,
    ])
  }

  var text: String {
    var table = Table([
      ("input", .left), ("features", .right), ("dtype", .left), ("blocks", .left),
    ])
    for (index, info) in file.matrices.tensors.enumerated() {
      table.append([
        info.name.description, "\(info.shape[1])", info.dtype.rawValue,
        (blocks[index] ?? []).map(\.description).joined(separator: ", "),
      ])
    }
    let metadata = MetadataLines.of(file.metadata).map { $0 + "\n" }.joined()
    return """
      \(Style.bold(path.escapedForTerminal)): \(file.format)
      \(file.tokens) tokens, \(file.matrices.tensors.count) inputs of \(file.inputs.count) blocks, \
      \(Format.bytes(file.matrices.byteCount))
      \(metadata)
      \(table.text)
      """ + (tensors.map { "\n" + $0.text } ?? "")
  }
}

/// What `inspect` shows of norm windows kept by themselves.
struct WindowsDescription: InspectDescription {
  private let path: String
  private let file: WindowsFile

  init(_ path: String, _ file: WindowsFile) {
    self.path = path
    self.file = file
  }

  var json: JSONValue {
    .members([
      "path": .string(path),
      "format": .string(file.format),
      "blocks": .array(
        file.blocks.map { name, windows in
          .members(["name": .string(name.string), "windows": windows.summary])
        }),
    ])
  }

  var text: String {
    var table = Table([
      ("block", .left), ("norms of input", .right), ("mean", .right),
      ("norms of projection", .right), ("mean", .right),
    ])
    for (name, windows) in file.blocks {
      table.append([
        name.description, "\(windows.input.values.count)",
        windows.input.mean.map(Format.number) ?? "", "\(windows.projection.values.count)",
        windows.projection.mean.map(Format.number) ?? "",
      ])
    }
    return "\(Style.bold(path.escapedForTerminal)): \(file.format)\n\n\(table.text)"
  }
}
