internal import Adapters
internal import ByteIO
internal import CKernels
internal import Tensors

/// What one thread works with: its buffers, kept from piece to piece.
struct TileWorker {
  private var input = AlignedBuffer(byteCount: RowTiles.stripBytes)
  private var check = AlignedBuffer(byteCount: RowTiles.stripBytes)
  /// A strip as it was, where more than a row of it is needed after the fold.
  private var before = AlignedBuffer(byteCount: 0)
  private var sample = FoldSample()
  private let level = rl_best_level()

  /// Does a piece and verifies what it wrote.
  mutating func run(_ piece: FoldPiece, _ run: FoldRun) throws -> PieceOutcome {
    let plan = run.plan
    switch piece.work {
    case .copy(let bytes):
      try copy(TensorReference(source: plan.base, index: piece.tensor), bytes, run)
      return PieceOutcome()
    case .convert(let elements):
      return PieceOutcome(figures: try convert(piece.tensor, elements, run))
    case .dequantise(let rows):
      let columns = plan.base.tensors[piece.tensor].shape[1]
      let values = try PartReader(plan).read(tensor: piece.tensor, columns: columns, rows)
      return unsafe PieceOutcome(
        figures: try store(
          values, before: values, piece.tensor, first: rows.lowerBound * columns, .nearest, run))
    case .fold(let index, let rows, let tile):
      let part = plan.parts[index]
      return try run.loaded.use(index) { loaded in
        if case .product(let operands, let exact) = loaded.operation {
          let figures = try foldInPlace(part, rows, tile, operands, exact, run)
          return PieceOutcome(figures: figures, deltaNorm: loaded.deltaNorm)
        }
        let figures = try foldThroughFloat64(part, rows, tile, loaded, run)
        return PieceOutcome(figures: figures, deltaNorm: loaded.deltaNorm)
      }
    case .requantise(let index, let rows):
      return try run.loaded.use(index) { loaded in
        let figures = try requantise(plan.parts[index], rows, loaded, run)
        return PieceOutcome(figures: figures, deltaNorm: loaded.deltaNorm)
      }
    }
  }

  // MARK: Tensors that do not change

  private mutating func copy(
    _ reference: TensorReference, _ bytes: Range<Int>, _ run: FoldRun
  ) throws {
    guard let target = run.target(reference.index), !run.isRehearsal else { return }
    reserve(RowTiles.stripBytes)
    let isShared = try run.sink.share(
      reference, at: bytes.lowerBound, count: bytes.count, tensor: target)
    // Otherwise read and written rather than copied within the kernel: the bytes are needed here
    // anyway, to compare them with what was written, and that is the quicker way.
    for start in stride(from: bytes.lowerBound, to: bytes.upperBound, by: RowTiles.stripBytes) {
      let strip = unsafe input.prefix(min(RowTiles.stripBytes, bytes.upperBound - start))
      try unsafe reference.source.read(tensor: reference.index, at: start, into: strip)
      if !isShared {
        try unsafe run.sink.write(UnsafeRawBufferPointer(strip), tensor: target, at: start)
      }
      try unsafe compare(strip, target, at: start, run.sink)
    }
  }

  private mutating func convert(
    _ tensor: Int, _ elements: Range<Int>, _ run: FoldRun
  ) throws -> PieceFigures {
    let info = run.plan.base.tensors[tensor]
    let width = info.dtype.elementByteCount
    reserve(elements.count * width)
    let tile = unsafe input.prefix(elements.count * width)
    try unsafe run.plan.base.read(tensor: tensor, at: elements.lowerBound * width, into: tile)
    let values = unsafe Conversion.float64(from: UnsafeRawBufferPointer(tile), dtype: info.dtype)
    return try unsafe store(
      values, before: values, tensor, first: elements.lowerBound, .nearest, run)
  }

  /// Rounds values into the output's dtype and writes them.
  ///
  /// - Parameter confirm: called with what will be written.
  private mutating func store(
    _ values: [Double], before: [Double], _ tensor: Int, first: Int, _ rounding: FoldRounding,
    _ run: FoldRun, confirm: (UnsafeRawBufferPointer) throws -> Void = { _ in }
  ) throws -> PieceFigures {
    guard let target = run.target(tensor), let dtype = run.plan.output[tensor]?.dtype else {
      return PieceFigures()
    }
    let count = values.count * dtype.elementByteCount
    reserve(count)
    let tile = unsafe input.prefix(count)
    let place = FoldKernel.Place(tensor: tensor, firstElement: first)
    var figures = unsafe FoldKernel.store(
      level, tile, dtype, before: before, values, place.numbers(rounding))
    if figures.overflowed > 0 {
      // New values that are not finite themselves do not overflow.
      figures.overflowed -= zip(before, values).count { $0.isFinite && !$1.isFinite }
    }
    try unsafe confirm(UnsafeRawBufferPointer(tile))
    try unsafe write(tile, target, at: first * dtype.elementByteCount, run)
    return figures
  }

  // MARK: Weights that change

  /// The quick path: the kernel works on the stored elements, strip after strip.
  private mutating func foldInPlace(
    _ part: FoldedPart, _ rows: Range<Int>, _ number: Int, _ operands: FoldOperands,
    _ exact: PlainFactors, _ run: FoldRun
  ) throws -> PieceFigures {
    let dtype = run.plan.base.tensors[part.tensor].dtype
    let rounding = run.plan.settings.rounding
    guard let target = run.target(part.tensor) else { return PieceFigures() }
    let rowBytes = part.columns * dtype.elementByteCount
    let sampled = FoldSample.rows(of: rows, run.verification)
    let isMeasured = run.isMeasured(part)
    var figures = PieceFigures()
    for (position, strip) in RowTiles.strips(of: rows, rowBytes: rowBytes).enumerated() {
      reserve(strip.count * rowBytes)
      let tile = unsafe input.prefix(strip.count * rowBytes)
      let offset = (part.firstRow + strip.lowerBound) * rowBytes
      try unsafe run.plan.base.read(tensor: part.tensor, at: offset, into: tile)
      if isMeasured {
        try unsafe run.measure(part, number, position, strip, UnsafeRawBufferPointer(tile))
      }
      let old = unsafe keepBefore(tile, strip, sampled, part, dtype, run)
      let place = FoldKernel.Place(
        tensor: part.tensor, firstElement: (part.firstRow + strip.lowerBound) * part.columns)
      unsafe figures += FoldKernel.run(
        level, tile, dtype, columns: part.columns, strip, operands, place.numbers(rounding))
      let name = run.plan.base.tensors[part.tensor].name
      for row in sampled where strip.contains(row) {
        let line = ((row - strip.lowerBound) * rowBytes)..<((row - strip.lowerBound + 1) * rowBytes)
        if let old = unsafe old {
          unsafe sample.keep(
            row, UnsafeRawBufferPointer(rebasing: old[line]), columns: part.columns, dtype)
        }
        try unsafe sample.confirm(
          UnsafeRawBufferPointer(rebasing: tile[line]), dtype, exact, level, rounding, name)
      }
      if let old = unsafe old {
        try unsafe run.change?(
          part.tensor, offset, UnsafeRawBufferPointer(old), UnsafeRawBufferPointer(tile))
      }
      try unsafe write(tile, target, at: offset, run)
    }
    return figures
  }

  /// Keeps what is needed of a strip after the fold: its sampled row, or all of it, which is returned.
  private mutating func keepBefore(
    _ tile: UnsafeMutableRawBufferPointer, _ strip: Range<Int>, _ sampled: Range<Int>,
    _ part: FoldedPart, _ dtype: DType, _ run: FoldRun
  ) -> UnsafeMutableRawBufferPointer? {
    if unsafe run.change != nil || run.verification == .full {
      if unsafe before.bytes.count < tile.count { before = AlignedBuffer(byteCount: tile.count) }
      unsafe before.bytes.copyMemory(from: UnsafeRawBufferPointer(tile))
      return unsafe before.prefix(tile.count)
    }
    let rowBytes = part.columns * dtype.elementByteCount
    for row in sampled where strip.contains(row) {
      let line = ((row - strip.lowerBound) * rowBytes)..<((row - strip.lowerBound + 1) * rowBytes)
      unsafe sample.keep(
        row, UnsafeRawBufferPointer(rebasing: tile[line]), columns: part.columns, dtype)
    }
    return nil
  }

  /// The path for everything else but block scales: all in float64, then one rounding.
  private mutating func foldThroughFloat64(
    _ part: FoldedPart, _ rows: Range<Int>, _ number: Int, _ loaded: LoadedPart, _ run: FoldRun
  ) throws -> PieceFigures {
    guard run.target(part.tensor) != nil, let dtype = run.plan.output[part.tensor]?.dtype
    else { return PieceFigures() }
    let (plan, columns) = (run.plan, part.columns)
    let before = loaded.compared(try PartReader(plan).read(part, rows))
    try measure(part, number, rows, run)
    var after = before
    try loaded.apply(rows: rows, columns: columns, to: &after)
    let first = (part.firstRow + rows.lowerBound) * columns
    return try unsafe store(
      after, before: before, part.tensor, first: first, plan.settings.rounding, run
    ) { stored in
      for row in FoldSample.rows(of: rows, run.verification) {
        let range = ((row - rows.lowerBound) * columns)..<((row - rows.lowerBound + 1) * columns)
        try unsafe loaded.confirm(
          row: row, before: Array(before[range]), stored: stored, range, dtype,
          plan.settings.rounding, plan.base.tensors[part.tensor].name)
      }
      guard let change = unsafe run.change else { return }
      let offset = first * dtype.elementByteCount
      let old = try plan.base.bytes(of: part.tensor, range: offset..<(offset + stored.count))
      try unsafe old.withUnsafeBytes { try unsafe change(part.tensor, offset, $0, stored) }
    }
  }

  /// Shows the stored rows to those who measure them on the way.
  private mutating func measure(
    _ part: FoldedPart, _ number: Int, _ rows: Range<Int>, _ run: FoldRun
  ) throws {
    guard run.isMeasured(part) else { return }
    let rowBytes = part.columns * run.plan.base.tensors[part.tensor].dtype.elementByteCount
    reserve(rows.count * rowBytes)
    let tile = unsafe input.prefix(rows.count * rowBytes)
    try unsafe run.plan.base.read(
      tensor: part.tensor, at: (part.firstRow + rows.lowerBound) * rowBytes, into: tile)
    for (position, strip) in RowTiles.strips(of: rows, rowBytes: rowBytes).enumerated() {
      let first = (strip.lowerBound - rows.lowerBound) * rowBytes
      let elements = unsafe UnsafeRawBufferPointer(
        rebasing: tile[first..<(first + strip.count * rowBytes)])
      try unsafe run.measure(part, number, position, strip, elements)
    }
  }

  /// Weights with block scales: new scales from the new values, then one rounding into F8_E4M3.
  private mutating func requantise(
    _ part: FoldedPart, _ rows: Range<Int>, _ loaded: LoadedPart, _ run: FoldRun
  ) throws -> PieceFigures {
    let plan = run.plan
    guard let scale = plan.scales.scale(of: part.tensor) else { return PieceFigures() }
    let before = loaded.compared(try PartReader(plan).read(part, rows))
    var after = before
    try loaded.apply(rows: rows, columns: part.columns, to: &after)
    let scaleDType = plan.base.tensors[scale].dtype
    let scales = BlockScales.scales(for: after, columns: part.columns, stored: scaleDType)
    let (bytes, figures) = BlockScales.quantised(
      after, before: before, scales, columns: part.columns)
    let width = plan.base.tensors[scale].shape[1]
    for row in FoldSample.rows(of: rows, run.verification) {
      let place = row - rows.lowerBound
      let (line, blocks) = (place * part.columns, place / BlockScales.extent * width)
      try loaded.confirm(
        row: row, before: Array(before[line..<(line + part.columns)]),
        codes: bytes[line..<(line + part.columns)], scales: scales[blocks..<(blocks + width)],
        plan.base.tensors[part.tensor].name)
    }
    let offset = rows.lowerBound * part.columns
    let scaleBytes = Conversion.bytes(from: scales, dtype: scaleDType)
    let scaleOffset = BlockScales.rows(for: rows).lowerBound * width * scaleDType.elementByteCount
    for (tensor, bytes, offset) in [(part.tensor, bytes, offset), (scale, scaleBytes, scaleOffset)]
    {
      guard let target = run.target(tensor) else { continue }
      if let change = unsafe run.change {
        let old = try plan.base.bytes(of: tensor, range: offset..<(offset + bytes.count))
        try unsafe old.withUnsafeBytes { old in
          try unsafe bytes.withUnsafeBytes { try unsafe change(tensor, offset, old, $0) }
        }
      }
      try write(bytes, target, at: offset, run)
    }
    // Counted where the weight goes, not where only its scales do.
    return run.target(part.tensor) == nil ? PieceFigures() : figures
  }

  // MARK: Writing, comparing

  private mutating func reserve(_ count: Int) {
    if unsafe input.bytes.count < count { input = AlignedBuffer(byteCount: count) }
    if unsafe check.bytes.count < count { check = AlignedBuffer(byteCount: count) }
  }

  private mutating func write(
    _ bytes: [UInt8], _ target: Int, at offset: Int, _ run: FoldRun
  ) throws {
    reserve(bytes.count)
    unsafe input.bytes.copyBytes(from: bytes)
    try unsafe write(input.prefix(bytes.count), target, at: offset, run)
  }

  private func write(
    _ tile: UnsafeMutableRawBufferPointer, _ target: Int, at offset: Int, _ run: FoldRun
  ) throws {
    if run.isRehearsal { return }
    try unsafe run.sink.write(UnsafeRawBufferPointer(tile), tensor: target, at: offset)
    try unsafe compare(tile, target, at: offset, run.sink)
  }

  /// Reads back what was written and compares every byte.
  private func compare(
    _ written: UnsafeMutableRawBufferPointer, _ target: Int, at offset: Int,
    _ sink: any TensorSink
  ) throws {
    let found = unsafe check.prefix(written.count)
    try unsafe sink.readBack(tensor: target, at: offset, into: found)
    guard unsafe written.hasSameBytes(as: found) else {
      throw FoldError.damaged(output: sink.tensors[target].name, offset: offset)
    }
  }
}
