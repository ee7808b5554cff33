internal import Adapters
internal import ByteIO
internal import CKernels
internal import Tensors

/// What one thread works with: its buffers, kept from task to task.
struct TileWorker {
  private var input = AlignedBuffer(byteCount: FoldPlan.stripBytes)
  private var check = AlignedBuffer(byteCount: FoldPlan.stripBytes)
  private var sample = FoldSample()
  private let level = rl_best_level()

  /// Does a task and verifies what it wrote.
  mutating func run(
    _ task: FoldTask, _ plan: FoldPlan, _ sink: any TensorSink, _ shared: SharedValues<FoldedBlock>
  ) throws -> TaskOutcome {
    let info = plan.base.tensors[task.tensor]
    switch task.work {
    case .copy(let bytes):
      try copy(TensorReference(source: plan.base, index: task.tensor), bytes, task.tensor, sink)
      return TaskOutcome()
    case .convert(let elements):
      let figures = try convert(plan, task.tensor, elements, sink)
      return TaskOutcome(figures: figures)
    case .fold(let rows, let block):
      return try shared.use(block) { folded in
        let figures =
          plan.output[task.tensor].dtype == info.dtype
          ? try foldInPlace(plan, task.tensor, rows, folded, sink)
          : try foldConverting(plan, task.tensor, rows, folded, sink)
        return TaskOutcome(figures: figures, deltaNorm: folded.deltaNorm)
      }
    }
  }

  // MARK: Tensors without a block

  private mutating func copy(
    _ reference: TensorReference, _ bytes: Range<Int>, _ tensor: Int, _ sink: any TensorSink
  ) throws {
    reserve(FoldPlan.stripBytes)
    // Read and written rather than copied within the kernel: the bytes are needed here anyway, to
    // compare them with what was written, and where nothing can be shared that is the quicker way.
    for start in stride(from: bytes.lowerBound, to: bytes.upperBound, by: FoldPlan.stripBytes) {
      let strip = input.prefix(min(FoldPlan.stripBytes, bytes.upperBound - start))
      try reference.source.read(tensor: reference.index, at: start, into: strip)
      try sink.write(UnsafeRawBufferPointer(strip), tensor: tensor, at: start)
      try compare(strip, tensor, at: start, sink)
    }
  }

  private mutating func convert(
    _ plan: FoldPlan, _ tensor: Int, _ elements: Range<Int>, _ sink: any TensorSink
  ) throws -> TaskFigures {
    let values = try read(plan.base, tensor, elements)
    let dtype = plan.output[tensor].dtype
    return try store(
      .values(values), before: values, tensor, first: elements.lowerBound, dtype, sink)
  }

  // MARK: Folded weights

  private mutating func foldInPlace(
    _ plan: FoldPlan, _ tensor: Int, _ rows: Range<Int>, _ block: FoldedBlock,
    _ sink: any TensorSink
  ) throws -> TaskFigures {
    let info = plan.base.tensors[tensor]
    let rowBytes = info.shape[1] * info.dtype.elementByteCount
    let sampled = FoldSample.row(of: rows)
    var figures = TaskFigures()
    for strip in FoldTask.strips(of: rows, rowBytes: rowBytes) {
      let offset = strip.lowerBound * rowBytes
      reserve(strip.count * rowBytes)
      let tile = input.prefix(strip.count * rowBytes)
      try plan.base.read(tensor: tensor, at: offset, into: tile)
      let line =
        strip.contains(sampled)
        ? UnsafeRawBufferPointer(
          rebasing: tile[((sampled - strip.lowerBound) * rowBytes)...].prefix(rowBytes)) : nil
      if let line { sample.keep(sampled, line, info) }
      figures += FoldKernel.run(level, tile, info, strip, block.operands)
      if let line { try sample.confirm(line, info, block.exact, level) }
      try sink.write(UnsafeRawBufferPointer(tile), tensor: tensor, at: offset)
      try compare(tile, tensor, at: offset, sink)
    }
    return figures
  }

  /// The path for a change of dtype: all in float64, then one rounding into the new dtype.
  private mutating func foldConverting(
    _ plan: FoldPlan, _ tensor: Int, _ rows: Range<Int>, _ block: FoldedBlock,
    _ sink: any TensorSink
  ) throws -> TaskFigures {
    let (a, b, rank) = (block.exact.a, block.exact.b, block.exact.b.columns)
    let columns = plan.base.tensors[tensor].shape[1]
    let dtype = plan.output[tensor].dtype
    var figures = TaskFigures()
    for strip in FoldTask.strips(of: rows, rowBytes: columns * 8) {
      let elements = (strip.lowerBound * columns)..<(strip.upperBound * columns)
      let weights = try read(plan.base, tensor, elements)
      var delta = [Double](repeating: 0, count: elements.count)
      b.values.withUnsafeBufferPointer { b in
        rl_multiply_f64(
          level, b.baseAddress.map { $0 + strip.lowerBound * rank }, a.values, &delta, strip.count,
          rank, columns, columns, columns, 0)
      }
      figures += try store(
        .deltas(delta), before: weights, tensor, first: elements.lowerBound, dtype, sink)
    }
    return figures
  }

  // MARK: Reading, writing, comparing

  private mutating func reserve(_ count: Int) {
    if input.bytes.count < count { input = AlignedBuffer(byteCount: count) }
    if check.bytes.count < count { check = AlignedBuffer(byteCount: count) }
  }

  private mutating func read(
    _ source: any TensorSource, _ tensor: Int, _ elements: Range<Int>
  ) throws -> [Double] {
    let dtype = source.tensors[tensor].dtype
    let count = elements.count * dtype.elementByteCount
    reserve(count)
    try source.read(
      tensor: tensor, at: elements.lowerBound * dtype.elementByteCount, into: input.prefix(count))
    return Conversion.float64(from: UnsafeRawBufferPointer(input.prefix(count)), dtype: dtype)
  }

  /// Rounds new values to a dtype, writes and verifies them.
  private mutating func store(
    _ new: FoldKernel.New, before: [Double], _ tensor: Int, first: Int, _ dtype: DType,
    _ sink: any TensorSink
  ) throws -> TaskFigures {
    let count = before.count * dtype.elementByteCount
    reserve(count)
    let tile = input.prefix(count)
    let figures = FoldKernel.store(level, tile, dtype, before: before, new)
    let offset = first * dtype.elementByteCount
    try sink.write(UnsafeRawBufferPointer(tile), tensor: tensor, at: offset)
    try compare(tile, tensor, at: offset, sink)
    return figures
  }

  /// Reads back what was written and compares every byte.
  private func compare(
    _ written: UnsafeMutableRawBufferPointer, _ tensor: Int, at offset: Int, _ sink: any TensorSink
  ) throws {
    let found = check.prefix(written.count)
    try sink.readBack(tensor: tensor, at: offset, into: found)
    guard written.hasSameBytes(as: found) else {
      throw FoldError.damaged(output: sink.tensors[tensor].name, offset: offset)
    }
  }
}
