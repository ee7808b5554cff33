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
  let number: Int32
  /// What the user should know of what was left behind, if anything was.
  var remains = "nothing was left behind"

  private static let received = Atomic<Int32>(0)

  /// Catches SIGINT, SIGTERM and SIGHUP; a second one kills at once. A closed pipe and a file-size limit
  /// become errors of the call that meets them.
  static func prepare() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { number in
        Interruption.received.store(number, ordering: .relaxed)
        signal(number, SIG_DFL)
      }
    }
    for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    // A parent that starts us from a thread with signals blocked passes the block on.
    var caught = sigset_t()
    unsafe sigemptyset(&caught)
    for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&caught, number) }
    unsafe pthread_sigmask(SIG_UNBLOCK, &caught, nil)
  }

  /// Throws once a signal has come.
  static func check() throws {
    let number = received.load(ordering: .relaxed)
    if number != 0 { throw Interruption(number: number) }
  }
}
