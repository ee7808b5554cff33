public import Tensors

extension Adapter {
  /// The adapter with all factors in another dtype, each element rounded once, to nearest even, when
  /// it is read; the same adapter where all are of that dtype.
  ///
  /// Statistics of base weights hold for exactly the factors they were computed with (Adapter §1.6),
  /// so they are left out where one of these changes; attachments are left out.
  ///
  /// - Throws: `AdapterError`; reading a factor throws `AdapterError.overflow` for an element that
  ///   does not fit.
  public func converted(to dtype: DType) throws -> Adapter {
    let changed = Set(blocks.filter { !$0.isStored(in: dtype) }.map(\.name))
    if changed.isEmpty { return self }
    let source = try ConvertedTensors(AdapterContent.tensors(of: self), dtype)
    var next = 0
    let converted = try blocks.map { block in
      let first = next
      let pairs = 0..<block.a.pieces.count
      next += 2 * pairs.count
      func factor(_ offset: Int, _ join: Factor.Join) throws -> Factor {
        try Factor(
          pairs.map { TensorReference(source: source, index: first + 2 * $0 + offset) }, join: join)
      }
      let holds =
        !changed.contains(block.name)
        && block.base?.statistics?.cross.keys.allSatisfy { !changed.contains($0) } ?? true
      return try Block(
        name: block.name, a: factor(0, .rows), b: factor(1, .columns), scaling: block.scaling,
        windows: block.windows, base: holds ? block.base : block.base?.withoutStatistics)
    }
    return try Adapter(
      label: label, format: format, blocks: converted, topology: topology,
      provenance: provenance.ofAnotherAdapter, details: details, notes: notes)
  }
}

extension Block {
  fileprivate func isStored(in dtype: DType) -> Bool {
    (a.pieces + b.pieces).allSatisfy { $0.info.dtype == dtype }
  }
}
