internal import Tensors

/// A filter that can be undone.
enum HDF5Filter: Equatable, Sendable {
  case deflate
  case shuffle(width: Int)
  case fletcher32
}

/// A dataset as the library describes it; where its data lie is not yet known.
struct ListedDataset: Equatable, Sendable {
  var element: HDF5ElementType
  var shape: [UInt64] = []
  /// How far each extent may grow; the largest number where there is no limit.
  var maximumShape: [UInt64] = []
  var isChunked = false
  /// In the order in which they were applied.
  var filters: [HDF5Filter] = []
  /// An element as stored, where one was never written; empty for zeros.
  var fill: [UInt8] = []
  /// The string of a scalar of variable length, which the library has read.
  var text: [UInt8] = []
  /// Why its data are not read, though its type may be.
  var problem: String?

  init(element: HDF5ElementType) { self.element = element }

  // MARK: In a message

  func put(into message: inout ListingWriter) {
    switch element {
    case .float(let dtype, let bigEndian):
      message.put(byte: bigEndian ? 1 : 0)
      message.put(dtype.rawValue)
    case .string(let size, let padding):
      message.put(byte: 2)
      message.put(size)
      message.put(byte: padding.rawValue)
    case .variableString:
      message.put(byte: 4)
      message.put(text)
    case .unsupported(let kind):
      message.put(byte: 3)
      message.put(kind)
    }
    message.put(shape.count)
    for (extent, maximum) in zip(shape, maximumShape) {
      message.put(extent)
      message.put(maximum)
    }
    message.put(byte: isChunked ? 1 : 0)
    message.put(filters.count)
    for filter in filters {
      switch filter {
      case .deflate: message.put(1)
      case .shuffle(let width):
        message.put(2)
        message.put(width)
      case .fletcher32: message.put(3)
      }
    }
    message.put(fill)
    message.put(problem ?? "")
  }

  init(from message: inout ListingReader) throws(LibraryFailure) {
    switch try message.byte() {
    case let order where order <= 1:
      guard let dtype = DType(rawValue: try message.text()), dtype.isArithmetic else {
        throw ListingReader.nonsense("an unknown dtype")
      }
      element = .float(dtype, bigEndian: order == 1)
    case 2:
      let size = try message.integer()
      guard size > 0, let padding = HDF5StringPadding(rawValue: try message.byte()) else {
        throw ListingReader.nonsense("an unknown string type")
      }
      element = .string(size: size, padding: padding)
    case 3: element = .unsupported(try message.text())
    case 4:
      element = .variableString
      text = try message.content()
    default: throw ListingReader.nonsense("an unknown element type")
    }
    let rank = try message.count()
    guard rank <= TensorInfo.maximumRank else { throw ListingReader.nonsense("a rank of \(rank)") }
    for _ in 0..<rank {
      shape.append(try message.number())
      maximumShape.append(try message.number())
    }
    isChunked = try message.byte() == 1
    for _ in 0..<(try message.count()) {
      switch try message.number() {
      case 1: filters.append(.deflate)
      case 2: filters.append(.shuffle(width: try message.integer()))
      case 3: filters.append(.fletcher32)
      default: throw ListingReader.nonsense("an unknown filter")
      }
    }
    fill = try message.content()
    let text = try message.text()
    problem = text.isEmpty ? nil : text
  }
}
