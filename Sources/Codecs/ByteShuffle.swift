internal import CKernels

/// The byte shuffle of HDF5 and of containers: all first bytes of the elements, then all second
/// ones, and so on (Container §3.3).
package enum ByteShuffle {
  /// Shuffles whole elements of `width` bytes from `source` into `target` of the same size.
  package static func shuffle(
    _ source: UnsafeRawBufferPointer, width: Int, into target: UnsafeMutableRawBufferPointer
  ) {
    unsafe run(rl_shuffle, source, width, target)
  }

  /// Undoes `shuffle`.
  package static func unshuffle(
    _ source: UnsafeRawBufferPointer, width: Int, into target: UnsafeMutableRawBufferPointer
  ) {
    unsafe run(rl_unshuffle, source, width, target)
  }

  private static func run(
    _ kernel: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>, Int, Int) -> Void,
    _ source: UnsafeRawBufferPointer, _ width: Int, _ target: UnsafeMutableRawBufferPointer
  ) {
    precondition(source.count == target.count && source.count % width == 0)
    guard let from = source.baseAddress, let to = target.baseAddress else { return }
    unsafe kernel(
      from.assumingMemoryBound(to: UInt8.self), to.assumingMemoryBound(to: UInt8.self),
      source.count / width, width)
  }
}
