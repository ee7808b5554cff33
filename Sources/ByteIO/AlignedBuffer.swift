/// Working memory of a fixed size, aligned for vector code and freed with the value.
package final class AlignedBuffer {
  /// The memory; its content is whatever was written last.
  package let bytes: UnsafeMutableRawBufferPointer

  /// Takes memory.
  package init(byteCount: Int) {
    bytes = .allocate(byteCount: max(byteCount, 64), alignment: 64)
  }

  deinit { bytes.deallocate() }

  /// The memory as elements of a type.
  package func elements<Element: BitwiseCopyable>(
    _ type: Element.Type = Element.self
  ) -> UnsafeMutablePointer<Element> {
    guard let start = bytes.bindMemory(to: type).baseAddress else {
      preconditionFailure("a buffer without memory")
    }
    return start
  }

  /// The first bytes.
  package func prefix(_ count: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Whether both hold the same bytes.
  package func hasSameBytes(as other: UnsafeMutableRawBufferPointer) -> Bool {
    SystemCalls.areEqual(UnsafeRawBufferPointer(self), UnsafeRawBufferPointer(other))
  }
}

/// What tasks read at the same time.
package struct SharedSource<Element>: @unchecked Sendable {
  package let start: UnsafePointer<Element>

  package init(_ start: UnsafePointer<Element>) { self.start = start }
}

/// Where tasks write at the same time, each its own elements.
package struct SharedTarget<Element>: @unchecked Sendable {
  package let start: UnsafeMutablePointer<Element>

  package init(_ start: UnsafeMutablePointer<Element>) { self.start = start }
}
