internal import Safetensors
internal import Tensors

extension PlainLoRA {
  /// Writes the factors into a safetensors file under the names given, a block at a time: memory
  /// is that of the largest block.
  ///
  /// - Parameter dtype: the dtype of all tensors, or nil for those the blocks state.
  func writeFactors(
    to path: String, dtype: DType?, metadata: [(key: String, value: String)], replacing: Bool,
    aName: (TensorName) -> TensorName, bName: (TensorName) -> TensorName
  ) throws {
    var infos: [TensorInfo] = []
    for block in blocks {
      infos.append(
        try TensorInfo(
          name: aName(block.name), dtype: dtype ?? block.aDType,
          shape: [block.rank, block.inFeatures]))
      infos.append(
        try TensorInfo(
          name: bName(block.name), dtype: dtype ?? block.bDType,
          shape: [block.outFeatures, block.rank]))
    }
    let layout = SafetensorsLayout(tensors: infos, metadata: metadata)
    let writer = try SafetensorsWriter(path: path, layout: layout, replacing: replacing)
    let positions = Dictionary(
      uniqueKeysWithValues: layout.tensors.enumerated().map { ($1.name, $0) })
    for (index, block) in blocks.enumerated() {
      let factors = try factors(of: index)
      for (name, matrix) in [(aName(block.name), factors.a), (bName(block.name), factors.b)] {
        guard let position = positions[name] else { continue }
        let bytes = Conversion.bytes(from: matrix.values, dtype: layout.tensors[position].dtype)
        try bytes.withUnsafeBytes { try writer.write($0, tensor: position, at: 0) }
      }
    }
    try writer.commit()
  }
}
