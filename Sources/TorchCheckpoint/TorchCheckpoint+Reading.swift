internal import Tensors

extension TorchCheckpoint {
  /// Reads `buffer.count` bytes of tensor `index`, beginning `byteOffset` bytes into it.
  ///
  /// A contiguous tensor is read straight from its storage; the elements of another are collected
  /// through a window of 1 MiB, by which every call reads what its elements span: ask for large
  /// pieces.
  ///
  /// - Throws: `TorchCheckpointError.archive` where the storage's checksum is wrong or its
  ///   compressed data damaged; `SystemError`, `FileError`.
  public func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let tensor = stored[index]
    precondition(byteOffset >= 0 && byteOffset <= tensor.info.byteCount)
    precondition(buffer.count <= tensor.info.byteCount - byteOffset)
    guard buffer.count > 0 else { return }
    let elementSize = tensor.info.dtype.elementByteCount
    if tensor.isContiguous {
      try unsafe archive.read(
        entry: tensor.entry, at: tensor.view.offset * elementSize + byteOffset, into: buffer)
      return
    }
    let end = byteOffset + buffer.count
    let elements = (byteOffset / elementSize)..<((end + elementSize - 1) / elementSize)
    if elements.count * elementSize == buffer.count {
      try unsafe gather(elements, of: tensor, into: buffer)
      return
    }
    // The range begins or ends inside an element: collect whole ones beside.
    let whole = UnsafeMutableRawBufferPointer.allocate(
      byteCount: elements.count * elementSize, alignment: 16)
    defer { unsafe whole.deallocate() }
    try unsafe gather(elements, of: tensor, into: whole)
    let skipped = byteOffset - elements.lowerBound * elementSize
    unsafe buffer.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: whole[skipped..<(skipped + buffer.count)]))
  }

  private func gather(
    _ elements: Range<Int>, of tensor: StoredTensor, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    try unsafe StridedGather.gather(
      tensor.view, elements: elements, elementSize: tensor.info.dtype.elementByteCount, into: buffer
    ) { [archive] in try unsafe archive.read(entry: tensor.entry, at: $0, into: $1) }
  }
}
