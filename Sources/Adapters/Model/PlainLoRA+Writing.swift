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
    try requireDistinctNames(infos)
    let layout = SafetensorsLayout(tensors: infos, metadata: metadata)
    let writer = try SafetensorsWriter(path: path, layout: layout, replacing: replacing)
    let positions = Dictionary(
      uniqueKeysWithValues: layout.tensors.enumerated().map { ($1.name, $0) })
    for (index, block) in blocks.enumerated() {
      let factors = try factors(of: index)
      for (name, matrix) in [(aName(block.name), factors.a), (bName(block.name), factors.b)] {
        guard let position = positions[name] else { continue }
        let dtype = layout.tensors[position].dtype
        try requireFit(matrix, in: dtype, block: block.name)
        let bytes = Conversion.bytes(from: matrix.values, dtype: dtype)
        try bytes.withUnsafeBytes { try writer.write($0, tensor: position, at: 0) }
        try writer.confirm(bytes, tensor: position)
      }
    }
    try writer.commit()
  }

  /// Refuses finite elements that would be written as infinities.
  private func requireFit(_ matrix: Matrix, in dtype: DType, block: TensorName)
    throws(AdapterError)
  {
    // Rounding keeps order, so the largest element tells of all.
    let largest = matrix.values.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    let stored = Conversion.bytes(from: [largest], dtype: dtype).withUnsafeBytes {
      Conversion.float64(from: $0, dtype: dtype)
    }
    guard stored.allSatisfy(\.isFinite) else {
      throw .overflow(block: block, dtype: dtype, found: largest)
    }
  }

  /// Refuses blocks whose tensors would have one name: PEFT's prefix makes `x` of
  /// `base_model.model.x` too.
  private func requireDistinctNames(_ infos: [TensorInfo]) throws(AdapterError) {
    var names: Set<TensorName> = []
    for (position, info) in infos.enumerated() where !names.insert(info.name).inserted {
      throw .duplicateBlock(blocks[position / 2].name)
    }
  }
}
