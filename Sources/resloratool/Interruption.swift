import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A signal that asked the tool to stop: long work checks for it between pieces and unwinds, which
/// removes temporary files.
struct Interruption: Error {
  let signal: Int32

  private static let received = Atomic<Int32>(0)

  /// Catches SIGINT and SIGTERM; a second one kills at once. A closed pipe and a file-size limit
  /// become errors of the call that meets them.
  static func prepare() {
    for number in [SIGINT, SIGTERM] {
      Self.install(number) { number in
        Interruption.received.store(number, ordering: .relaxed)
        Interruption.restoreDefault(number)
      }
    }
    for number in [SIGPIPE, SIGXFSZ] { Self.ignore(number) }
    // A parent that starts us from a thread with signals blocked passes the block on.
    var caught = sigset_t()
    sigemptyset(&caught)
    for number in [SIGINT, SIGTERM] { sigaddset(&caught, number) }
    pthread_sigmask(SIG_UNBLOCK, &caught, nil)
  }

  /// Throws once a signal has come.
  static func check() throws {
    let number = received.load(ordering: .relaxed)
    if number != 0 { throw Interruption(signal: number) }
  }

  private static func install(_ number: Int32, _ handler: @convention(c) (Int32) -> Void) {
    #if canImport(Darwin)
      _ = Darwin.signal(number, handler)
    #elseif canImport(Glibc)
      _ = Glibc.signal(number, handler)
    #else
      _ = Musl.signal(number, handler)
    #endif
  }

  private static func ignore(_ number: Int32) {
    #if canImport(Darwin)
      _ = Darwin.signal(number, SIG_IGN)
    #elseif canImport(Glibc)
      _ = Glibc.signal(number, SIG_IGN)
    #else
      _ = Musl.signal(number, SIG_IGN)
    #endif
  }

  private static func restoreDefault(_ number: Int32) {
    #if canImport(Darwin)
      _ = Darwin.signal(number, SIG_DFL)
    #elseif canImport(Glibc)
      _ = Glibc.signal(number, SIG_DFL)
    #else
      _ = Musl.signal(number, SIG_DFL)
    #endif
  }
}
