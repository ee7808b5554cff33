internal import Tensors

extension CapturedInputs {
  /// How many of the tokens taken are also among those of another capture (Replay §1.2): rows of the
  /// last block's matrix, bit by bit as float64, which differ wherever anything before a token did.
  /// Rows of zeros are padding and do not count.
  ///
  /// Memory: 8 bytes for each token of the other, and 128 rows.
  ///
  /// - Parameter checkpoint: called now and then; an error it throws stops the work.
  /// - Throws: errors of reading, what `checkpoint` throws.
  public func tokens(
    sharedWith other: CapturedInputs, checkpoint: () throws -> Void = {}
  ) throws -> Int {
    guard let own = matrixOfBlock.last, let matrix = other.matrixOfBlock.last,
      features(of: own) == other.features(of: matrix)
    else { return 0 }
    let known = Set(try other.rowHashes(of: matrix, checkpoint))
    return try rowHashes(of: own, checkpoint).reduce(0) { $0 + (known.contains($1) ? 1 : 0) }
  }

  private func rowHashes(of matrix: Int, _ checkpoint: () throws -> Void) throws -> [Int] {
    let info = matrices.tensors[matrix]
    let features = info.shape[1]
    let rowBytes = features * info.dtype.elementByteCount
    var hashes: [Int] = []
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: 128) {
      try checkpoint()
      let end = min(rows.upperBound, start + 128)
      let bytes = try matrices.bytes(of: matrix, range: (start * rowBytes)..<(end * rowBytes))
      let values = unsafe bytes.withUnsafeBytes {
        unsafe Conversion.float64(from: $0, dtype: info.dtype)
      }
      for row in 0..<(end - start) {
        let elements = values[(row * features)..<((row + 1) * features)]
        guard elements.contains(where: { $0 != 0 }) else { continue }
        var hasher = Hasher()
        unsafe elements.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        hashes.append(hasher.finalize())
      }
    }
    return hashes
  }
}
