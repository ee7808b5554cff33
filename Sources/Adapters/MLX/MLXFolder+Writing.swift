internal import ByteIO
internal import ResLoRAContainer
internal import Safetensors
internal import Tensors

/// A folder that mlx_lm loads (Updates §7.2).
extension MLXFolder: WritableAdapterFormat {
  static let identifier = "mlx"
  static let fileExtensions: [String] = []

  static func checkOutput(at path: String, replacing: Bool) throws {
    try OutputFolder.check(
      path: path, names: [MLXConfig.fileName, fileNames[0]], replacing: replacing)
  }

  static func check(_ file: AdapterFileContent, for path: String) throws {
    try file.requirePlain(name)
    _ = try MLXLayout(file)
  }

  static func losses(of file: AdapterFileContent) -> [String] {
    var losses = file.lossesBesideFactors.map(loss)
    guard let layout = try? MLXLayout(file) else { return losses }
    if layout.padded > 0 {
      losses.append(
        "ranks: \(layout.padded) smaller than \(layout.rank) are padded with zeros, an \(name) "
          + "has one for all")
    }
    if layout.rescaled > 0 {
      losses.append(
        "scalings: \(layout.rescaled) other than \(layout.scale) are multiplied into B, an "
          + "\(name) has one for all")
    }
    return losses
  }

  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws {
    let layout = try MLXLayout(file)
    let folder = try OutputFolder(
      path: path, names: [MLXConfig.fileName, fileNames[0]], replacing: options.replacing)
    try SafetensorsWriter.write(
      layout.tensors, metadata: [("format", "mlx")], to: folder.path(of: fileNames[0]),
      replacing: false, progress: options.progress)
    try OutputFile.write(
      Array(layout.config.serialized(indented: true).utf8),
      to: folder.path(of: MLXConfig.fileName), replacing: false)
    try folder.commit()
  }
}

/// A plain LoRA as mlx_lm has it: one rank and one scale for all.
private struct MLXLayout {
  let rank: Int
  let scale: Double
  /// Number of blocks of a smaller rank.
  let padded: Int
  /// Number of blocks of another scaling.
  let rescaled: Int
  let tensors: ComputedTensors
  let config: JSONValue

  init(_ file: AdapterFileContent) throws {
    let blocks = file.content.blocks
    let shapes = blocks.indices.map { file.tensors.tensors[2 * $0].shape }
    let rank = shapes.map { $0[0] }.max() ?? 1
    let common = PEFTConfigText.mostCommon(blocks.map(\.scaling))
    let scale = common == 0 ? 1 : common
    self.rank = rank
    self.scale = scale
    padded = shapes.count { $0[0] < rank }
    rescaled = blocks.count { $0.scaling != scale }
    tensors = try ComputedTensors(
      label: file.tensors.label,
      blocks.enumerated().flatMap { position, block -> [ComputedTensors.Item] in
        let name = PEFTKeys.module(of: block.name).string
        return [
          try .paddedColumns(
            TensorReference(source: file.tensors, index: 2 * position),
            name: TensorName("\(name).lora_a"), count: rank),
          try .paddedRows(
            TensorReference(source: file.tensors, index: 2 * position + 1),
            name: TensorName("\(name).lora_b"), count: rank, factor: block.scaling / scale),
        ]
      })
    let keys = Set(blocks.map { MLXLayout.key(PEFTKeys.module(of: $0.name).string) })
    config = .members([
      "fine_tune_type": .string("lora"),
      "lora_parameters": .members([
        "dropout": .double(0),
        "keys": .array(keys.sorted().map(JSONValue.string)),
        "rank": .integer(rank),
        "scale": .double(scale),
      ]),
      "model": file.content.baseModel.map(JSONValue.string),
      // All of them: what has no tensors here has a B of zeros.
      "num_layers": .integer(-1),
    ])
  }

  /// A module's name inside its layer, by which mlx_lm looks: what follows the first number.
  private static func key(_ module: String) -> String {
    let parts = module.split(separator: ".", omittingEmptySubsequences: false)
    guard let number = parts.firstIndex(where: { !$0.isEmpty && $0.allSatisfy(\.isNumber) }),
      number + 1 < parts.count
    else { return module }
    return parts[(number + 1)...].joined(separator: ".")
  }
}

extension ComputedTensors.Item {
  /// A [r, n] as [n, count], with zeros for the ranks that are missing.
  fileprivate static func paddedColumns(
    _ tensor: TensorReference, name: TensorName, count: Int
  ) throws -> Self {
    let info = tensor.info
    let (rank, inputs) = (info.shape[0], info.shape[1])
    let width = info.dtype.elementByteCount
    return Self(
      info: try TensorInfo(name: name, dtype: info.dtype, shape: [inputs, count]),
      bytes: {
        var bytes = try tensor.source.bytes(of: tensor.index)
        bytes += [UInt8](repeating: 0, count: (count - rank) * inputs * width)
        return transposed(bytes, count, inputs, width)
      })
  }

  /// B [n, r] as [count, n], multiplied by a factor, with zeros for the ranks that are missing.
  fileprivate static func paddedRows(
    _ tensor: TensorReference, name: TensorName, count: Int, factor: Double
  ) throws -> Self {
    let info = tensor.info
    let (outputs, rank) = (info.shape[0], info.shape[1])
    let width = info.dtype.elementByteCount
    return Self(
      info: try TensorInfo(name: name, dtype: info.dtype, shape: [count, outputs]),
      bytes: {
        var bytes = try tensor.source.bytes(of: tensor.index)
        if factor != 1 {
          let values = unsafe bytes.withUnsafeBytes {
            unsafe Conversion.float64(from: $0, dtype: info.dtype)
          }
          bytes = try Rounding.bytes(
            of: values.map { $0 * factor }, dtype: info.dtype, tensor: info.name)
        }
        return transposed(bytes, outputs, rank, width)
          + [UInt8](repeating: 0, count: (count - rank) * outputs * width)
      })
  }
}
