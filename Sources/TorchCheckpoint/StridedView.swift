internal import Tensors

/// How a tensor's elements lie in its storage.
struct StridedView: Sendable, Equatable {
  /// The extent of each dimension.
  let shape: [Int]
  /// The steps from one element to the next, in elements, one for each dimension.
  let strides: [Int]
  /// The position of the first element, in elements.
  let offset: Int

  /// Checks that every element lies in a storage of `count` elements.
  ///
  /// `info` has the same shape, already checked.
  init(
    _ info: TensorInfo, strides: [Int], offset: Int, storageCount count: Int
  ) throws(TorchCheckpointError.TensorProblem) {
    guard strides.count == info.shape.count else {
      throw .wrongStrideCount(found: strides.count, expected: info.shape.count)
    }
    guard offset >= 0 else { throw .negativeOffset(found: offset) }
    if let stride = strides.first(where: { $0 < 0 }) { throw .negativeStride(found: stride) }
    shape = info.shape
    self.strides = strides
    self.offset = offset
    guard info.elementCount > 0 else {
      guard offset <= count else { throw .outsideStorage(found: offset, expected: count) }
      return
    }
    let needed = StridedView.elementsNeeded(shape: shape, strides: strides, offset: offset)
    guard let needed, needed <= count else {
      throw .outsideStorage(found: needed, expected: count)
    }
  }

  /// One more than the position of the last element; nil where that overflows.
  private static func elementsNeeded(shape: [Int], strides: [Int], offset: Int) -> Int? {
    var last = offset
    for (extent, stride) in zip(shape, strides) {
      let (span, spanOverflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, sumOverflow) = last.addingReportingOverflow(span)
      guard !spanOverflow, !sumOverflow else { return nil }
      last = sum
    }
    return last == .max ? nil : last + 1
  }

  /// Whether the elements follow each other in the tensor's own order.
  var isContiguous: Bool {
    if shape.contains(0) { return true }
    var expected = 1
    for (extent, stride) in zip(shape, strides).reversed() where extent != 1 {
      guard stride == expected else { return false }
      expected *= extent
    }
    return true
  }
}
