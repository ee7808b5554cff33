package import Tensors

#if canImport(CryptoKit)
  internal import CryptoKit
#else
  internal import CNettle
#endif

/// SHA-256, computed piece by piece.
package struct SHA256Digest: Sendable, Equatable, Hashable {
  /// The 32 bytes.
  package let bytes: [UInt8]

  /// Wraps 32 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }

  /// Reads 64 lower-case hexadecimal digits.
  package init?(hexadecimal text: String) {
    let digits = Array(text.utf8)
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 64, by: 2) {
      guard let high = SHA256Digest.value(digits[index]),
        let low = SHA256Digest.value(digits[index + 1])
      else { return nil }
      bytes.append(high << 4 | low)
    }
    self.bytes = bytes
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  /// 64 lower-case hexadecimal digits.
  package var hexadecimal: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// Computes a SHA-256 digest.
package struct SHA256Hasher {
  #if canImport(CryptoKit)
    private var state = CryptoKit.SHA256()
  #else
    private var state = sha256_ctx()
  #endif

  /// Starts with no bytes.
  package init() {
    #if !canImport(CryptoKit)
      unsafe nettle_sha256_init(&state)
    #endif
  }

  /// Takes in the next bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    #if canImport(CryptoKit)
      state.update(bufferPointer: bytes)
    #else
      guard let start = bytes.baseAddress else { return }
      unsafe nettle_sha256_update(&state, bytes.count, start.assumingMemoryBound(to: UInt8.self))
    #endif
  }

  /// The digest of all bytes so far; ends the computation.
  package consuming func finish() -> SHA256Digest {
    #if canImport(CryptoKit)
      let bytes = Array(state.finalize())
    #else
      var bytes = [UInt8](repeating: 0, count: 32)
      unsafe nettle_sha256_digest(&state, 32, &bytes)
    #endif
    guard let digest = SHA256Digest(bytes: bytes) else { preconditionFailure("32 bytes") }
    return digest
  }

  /// The digest of a tensor's bytes, read a mebibyte at a time.
  package static func digest(of tensor: TensorReference) throws -> SHA256Digest {
    var hasher = SHA256Hasher()
    let (size, piece) = (tensor.info.byteCount, 1 << 20)
    for offset in stride(from: 0, to: size, by: piece) {
      try unsafe tensor.source.bytes(of: tensor.index, range: offset..<min(size, offset + piece))
        .withUnsafeBytes { unsafe hasher.update($0) }
    }
    return hasher.finish()
  }

  /// The digest of a file's bytes, read a mebibyte at a time.
  package static func digest(ofFile path: String) throws -> SHA256Digest {
    let file = try ReadableFile(path: path)
    let buffer = AlignedBuffer(byteCount: 1 << 20)
    var hasher = SHA256Hasher()
    for offset in stride(from: 0, to: file.size, by: 1 << 20) {
      let piece = unsafe buffer.prefix(min(1 << 20, file.size - offset))
      try unsafe file.read(at: offset, into: piece)
      unsafe hasher.update(UnsafeRawBufferPointer(piece))
    }
    return hasher.finish()
  }

  /// The digest of an array's bytes.
  package static func digest(of bytes: [UInt8]) -> SHA256Digest {
    unsafe bytes.withUnsafeBytes { unsafe digest(of: $0) }
  }

  /// The digest of some bytes.
  package static func digest(of bytes: UnsafeRawBufferPointer) -> SHA256Digest {
    var hasher = SHA256Hasher()
    unsafe hasher.update(bytes)
    return hasher.finish()
  }
}
