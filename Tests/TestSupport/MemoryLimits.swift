import Foundation

/// Whether processes can be limited in memory where the tests run.
public enum MemoryLimits {
  /// macOS can't, and sanitizers reserve terabytes of address space.
  public static let arePossible: Bool = {
    #if os(Linux)
      !["ASAN_OPTIONS", "TSAN_OPTIONS"].contains {
        ProcessInfo.processInfo.environment[$0] != nil
      }
    #else
      false
    #endif
  }()
}
