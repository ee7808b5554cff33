/// Collects elements of a view that is not contiguous from where they lie in its storage.
///
/// A run of elements in the tensor's order is cut into boxes; each box is walked in the storage's
/// order, so that the storage is read forwards through a window of at most 1 MiB.
@safe struct StridedGather: ~Copyable {
  /// Fills a buffer from a byte position of the storage.
  typealias Read = (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Void

  private let view: StridedView
  private let elementSize: Int
  private let read: Read
  /// The elements that one step of each dimension skips in the tensor's order.
  private let steps: [Int]
  private let output: UnsafeMutableRawBufferPointer

  private let window: UnsafeMutableRawBufferPointer
  /// The elements of the storage that the window holds.
  private var held = 0..<0
  private var written = 0

  private static let windowSize = 1 << 20

  /// Copies elements `range` of the tensor into a buffer of exactly their size.
  static func gather(
    _ view: StridedView, elements range: Range<Int>, elementSize: Int,
    into output: UnsafeMutableRawBufferPointer, read: @escaping Read
  ) throws {
    guard !range.isEmpty else { return }
    var gather = unsafe StridedGather(view, elementSize: elementSize, output: output, read: read)
    try gather.copy(range, dimension: 0, source: view.offset)
  }

  private init(
    _ view: StridedView, elementSize: Int, output: UnsafeMutableRawBufferPointer,
    read: @escaping Read
  ) {
    self.view = view
    self.elementSize = elementSize
    unsafe self.output = output
    unsafe self.read = read
    var steps: [Int] = []
    var step = 1
    for extent in view.shape.reversed() {
      steps.append(step)
      step *= extent
    }
    self.steps = steps.reversed()
    unsafe window = .allocate(byteCount: StridedGather.windowSize, alignment: 16)
  }

  deinit { unsafe window.deallocate() }

  /// Copies elements of the part of the tensor that begins at `source` and spans the dimensions
  /// from `dimension` on: whole rows as one box, the rows cut at either end by themselves.
  private mutating func copy(_ range: Range<Int>, dimension: Int, source: Int) throws {
    guard dimension < view.shape.count else {
      try copyBox(rows: 1, dimension: dimension, source: source)
      return
    }
    let step = steps[dimension]
    let stride = view.strides[dimension]
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / step
      let rowStart = row * step
      let whole = (range.upperBound - rowStart) / step
      if position == rowStart, whole > 0 {
        try copyBox(rows: whole, dimension: dimension, source: source + row * stride)
        position += whole * step
      } else {
        let end = min(range.upperBound, rowStart + step)
        try copy(
          (position - rowStart)..<(end - rowStart), dimension: dimension + 1,
          source: source + row * stride)
        position = end
      }
    }
  }

  /// One dimension of a box: how many elements, and how far apart on either side.
  private struct Axis {
    let count: Int
    let source: Int
    let target: Int
  }

  /// Copies `rows` steps of a dimension with all that the dimensions after it span.
  private mutating func copyBox(rows: Int, dimension: Int, source: Int) throws {
    var axes: [Axis] = []
    var count = 1
    for position in dimension..<max(dimension, view.shape.count) {
      let extent = position == dimension ? rows : view.shape[position]
      count *= extent
      if extent > 1 {
        axes.append(Axis(count: extent, source: view.strides[position], target: steps[position]))
      }
    }
    axes.sort { $0.source > $1.source }
    let end = axes.reduce(source + 1) { $0 + ($1.count - 1) * $1.source }
    try copyAxes(axes[...], source: source, target: written, end: end)
    written += count
  }

  private mutating func copyAxes(
    _ axes: ArraySlice<Axis>, source: Int, target: Int, end: Int
  ) throws {
    guard axes.count > 1, let outer = axes.first else {
      try copyLine(
        axes.first ?? Axis(count: 1, source: 1, target: 1), source: source, target: target, end: end
      )
      return
    }
    for step in 0..<outer.count {
      try copyAxes(
        axes.dropFirst(), source: source + step * outer.source,
        target: target + step * outer.target, end: end)
    }
  }

  /// Copies the elements of one axis, refilling the window where it does not hold them.
  private mutating func copyLine(_ axis: Axis, source: Int, target: Int, end: Int) throws {
    var done = 0
    while done < axis.count {
      let next = source + done * axis.source
      if !held.contains(next) { try fill(from: next, end: end) }
      let inWindow =
        axis.source == 0 ? axis.count : (held.upperBound - 1 - next) / axis.source + 1
      let count = min(axis.count - done, inWindow)
      let start = next - held.lowerBound
      switch elementSize {
      case 1: copyElements(UInt8.self, axis, count, from: start, to: target + done * axis.target)
      case 2: copyElements(UInt16.self, axis, count, from: start, to: target + done * axis.target)
      case 4: copyElements(UInt32.self, axis, count, from: start, to: target + done * axis.target)
      default: copyElements(UInt64.self, axis, count, from: start, to: target + done * axis.target)
      }
      done += count
    }
  }

  private func copyElements<Element: FixedWidthInteger & BitwiseCopyable>(
    _ type: Element.Type, _ axis: Axis, _ count: Int, from start: Int, to target: Int
  ) {
    let size = MemoryLayout<Element>.size
    for index in 0..<count {
      let element = unsafe window.loadUnaligned(
        fromByteOffset: (start + index * axis.source) * size, as: type)
      unsafe output.storeBytes(
        of: element, toByteOffset: (target + index * axis.target) * size, as: type)
    }
  }

  /// Reads the window from an element on, up to the last one of the box.
  private mutating func fill(from element: Int, end: Int) throws {
    let count = unsafe min(end - element, window.count / elementSize)
    held = 0..<0
    try unsafe read(
      element * elementSize,
      UnsafeMutableRawBufferPointer(rebasing: window[..<(count * elementSize)]))
    held = element..<(element + count)
  }
}
