/// Working memory of a fixed size, aligned for vector code and freed with the value.
@safe package final class AlignedBuffer {
  /// The memory; its content is whatever was written last.
  package let bytes: UnsafeMutableRawBufferPointer

  /// Takes memory.
  package init(byteCount: Int) {
    unsafe bytes = .allocate(byteCount: max(byteCount, 64), alignment: 64)
  }

  deinit { unsafe bytes.deallocate() }

  /// The memory as elements of a type.
  package func elements<Element: BitwiseCopyable>(
    _ type: Element.Type = Element.self
  ) -> UnsafeMutablePointer<Element> {
    guard let start = unsafe bytes.bindMemory(to: type).baseAddress else {
      preconditionFailure("a buffer without memory")
    }
    return unsafe start
  }

  /// The first bytes.
  package func prefix(_ count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Whether both hold the same bytes.
  package func hasSameBytes(as other: UnsafeMutableRawBufferPointer) -> Bool {
    unsafe SystemCalls.areEqual(UnsafeRawBufferPointer(self), UnsafeRawBufferPointer(other))
  }
}

/// What tasks read at the same time.
@safe package struct SharedSource<Element>: @unchecked Sendable {
  package let start: UnsafePointer<Element>

  package init(_ start: UnsafePointer<Element>) { unsafe self.start = start }
}

/// Where tasks write at the same time, each its own elements.
@safe package struct SharedTarget<Element>: @unchecked Sendable {
  package let start: UnsafeMutablePointer<Element>

  package init(_ start: UnsafeMutablePointer<Element>) { unsafe self.start = start }
}
