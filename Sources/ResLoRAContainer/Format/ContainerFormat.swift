internal import Tensors

/// The numbers of the format (Container §1, §2).
enum ContainerFormat {
  static let magic: [UInt8] = [0x89, 0x52, 0x4C, 0x52, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The bytes of the magic that transfers in text mode leave alone.
  static let magicStart = 4
  static let version = 1
  static let headerSize = 64
  static let entrySize = 40
  static let alignment = 64
  static let maximumTensors = 1_000_000
  static let maximumChunks = 4_000_000
  static let maximumRawLength = 16 << 20
  /// The most bytes of the description, and of the table of the tensors.
  static let maximumPartLength = 100_000_000
  /// The raw length of the pieces that the writer cuts tensors into.
  static let pieceLength = 1 << 20

  /// How the description and the table of the tensors are cut into chunks (Container §4.1).
  static func pieces(ofPart length: Int) -> [Range<Int>] {
    length == 0 ? [0..<0] : pieces(of: length, maximumRawLength)
  }

  /// How the bytes of a tensor are cut into chunks (Container §4.3).
  static func pieces(ofTensor length: Int) -> [Range<Int>] { pieces(of: length, pieceLength) }

  private static func pieces(of length: Int, _ most: Int) -> [Range<Int>] {
    stride(from: 0, to: length, by: most).map { $0..<min($0 + most, length) }
  }

  /// The first multiple of 64 that is not before `offset`.
  static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) & ~(alignment - 1) }

  /// The bytes from `offset` to the next multiple of 64.
  static func padding(after offset: Int) -> Int { aligned(offset) - offset }
}

/// Dtypes by their numbers in the table of the tensors (Container §4.4).
extension DType {
  init?(containerCode: UInt8) {
    switch containerCode {
    case 1: self = .f64
    case 2: self = .f32
    case 3: self = .f16
    case 4: self = .bf16
    default: return nil
    }
  }

  /// Nil for types that containers do not hold.
  var containerCode: UInt8? {
    switch self {
    case .f64: 1
    case .f32: 2
    case .f16: 3
    case .bf16: 4
    default: nil
    }
  }
}
