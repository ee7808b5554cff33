/// The type of a chunk: four ASCII letters (Container §3.1).
public struct ChunkType: Sendable, Hashable {
  /// The letters.
  public let letters: String

  /// The description of the adapter (Container §4.2).
  public static let description = ChunkType(known: "ADPT")
  /// Elements of a tensor (Container §4.3).
  public static let data = ChunkType(known: "DATA")
  /// The table of the tensors (Container §4.4).
  public static let tensors = ChunkType(known: "TENS")

  /// Takes four ASCII letters; nil for anything else.
  public init?(_ letters: String) {
    self.init(bytes: Array(letters.utf8))
  }

  /// Takes the four bytes of a directory entry; nil where one is no ASCII letter.
  init?(bytes: [UInt8]) {
    let areLetters = bytes.allSatisfy {
      let upper = $0 & ~0x20
      return upper >= UInt8(ascii: "A") && upper <= UInt8(ascii: "Z")
    }
    guard bytes.count == 4, areLetters else { return nil }
    letters = String(decoding: bytes, as: UTF8.self)
  }

  private init(known letters: String) { self.letters = letters }

  /// Whether a reader that does not know the type must refuse the file.
  public var isCritical: Bool { bytes[0] & 0x20 == 0 }

  var bytes: [UInt8] { Array(letters.utf8) }
}

extension ChunkType: CustomStringConvertible {
  /// The letters.
  public var description: String { letters }
}
