internal import ByteIO
internal import CPlatform

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Runs a worker and takes its message; whatever becomes of it, no process and no descriptor is
/// left when this returns.
struct WorkerProcess {
  private let process: pid_t
  private let pipe: Int32
  private let limits: HDF5WorkerLimits
  private let deadline: ContinuousClock.Instant

  /// The message of a worker about a file.
  ///
  /// - Throws: `LibraryFailure` where it crashes, takes too long, too much memory, or sends more
  ///   than `messageLimit` bytes; what the limits' checkpoint throws.
  static func list(
    _ file: ReadableFile, executable: String, limits: HDF5WorkerLimits, messageLimit: Int
  ) throws -> [UInt8] {
    let worker = try WorkerProcess(file.descriptor, executable: executable, limits: limits)
    defer { _ = close(worker.pipe) }
    let message: [UInt8]
    do {
      message = try worker.message(limit: messageLimit)
    } catch {
      worker.end()
      throw error
    }
    try worker.waitForSuccess()
    return message
  }

  // MARK: Start

  private init(_ file: Int32, executable: String, limits: HDF5WorkerLimits) throws {
    self.limits = limits
    deadline = .now + .seconds(limits.seconds)
    var ends: [Int32] = [-1, -1]
    guard WorkerProcess.makePipe(&ends) == 0 else { throw WorkerProcess.notStarted(errno) }
    // Numbers that don't collide with those they get in the new process.
    let input = fcntl(file, F_DUPFD_CLOEXEC, 3)
    let output = fcntl(ends[1], F_DUPFD_CLOEXEC, 3)
    _ = close(ends[1])
    defer {
      _ = close(input)
      _ = close(output)
    }
    do {
      guard input >= 0, output >= 0 else { throw WorkerProcess.notStarted(errno) }
      process = try WorkerProcess.start(
        executable, HDF5Worker.arguments(limits), input: input, output: output)
    } catch {
      _ = close(ends[0])
      throw error
    }
    pipe = ends[0]
  }

  private static func notStarted(_ code: Int32) -> LibraryFailure {
    unsafe LibraryFailure(.workerNotStarted(String(cString: strerror(code))))
  }

  private static func makePipe(_ ends: inout [Int32]) -> Int32 {
    #if os(Linux)
      return unsafe rl_pipe(&ends)
    #else
      let status = Darwin.pipe(&ends)
      if status == 0 { for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) } }
      return status
    #endif
  }

  private static func start(
    _ executable: String, _ arguments: [String], input: Int32, output: Int32
  ) throws -> pid_t {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #else
      var actions = unsafe posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ] {
      unsafe sigaddset(&signals, number)
    }
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
    var process: pid_t = 0
    let code = unsafe withCStrings([executable] + arguments) { arguments in
      unsafe withCStrings(environment()) { environment in
        unsafe posix_spawn(&process, executable, &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { throw notStarted(code) }
    return process
  }

  /// What a worker gets of the environment: where libraries are, what a sanitizer is asked, and that it
  /// is alone.
  private static func environment() -> [String] {
    let names: [String] = [
      "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
      "ASAN_OPTIONS", "TSAN_OPTIONS",
    ]
    let kept: [String] = names.compactMap { name in
      unsafe getenv(name).map { unsafe "\(name)=\(String(cString: $0))" }
    }
    return kept + [
      // No locks, no plugins; other libraries of the program start no threads, and a crash is
      // reported by the parent alone.
      "HDF5_USE_FILE_LOCKING=FALSE", "HDF5_PLUGIN_PRELOAD=::", "HDF5_PLUGIN_PATH=/dev/null",
      "OPENBLAS_NUM_THREADS=1", "SWIFT_BACKTRACE=enable=no",
    ]
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let pointers = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers + [nil])
  }

  // MARK: Message

  /// Everything that the process writes until it closes the pipe.
  private func message(limit: Int) throws -> [UInt8] {
    var message: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      try waitUntilReadable()
      let count = unsafe read(pipe, &piece, piece.count)
      if count == 0 { return message }
      if count < 0 {
        if errno == EINTR || errno == EAGAIN { continue }
        throw LibraryFailure(.workerMessage("it can't be read"))
      }
      guard message.count + count <= limit else {
        throw LibraryFailure(.workerMessage("more than \(limit) bytes"))
      }
      message += piece[..<count]
    }
  }

  private func waitUntilReadable() throws {
    while true {
      let rest = try remaining()
      var descriptor = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
      if unsafe poll(&descriptor, 1, Int32(min(rest, 100)) + 1) > 0 { return }
    }
  }

  /// Milliseconds that are left.
  ///
  /// - Throws: `LibraryFailure` when there are none; what the checkpoint throws.
  private func remaining() throws -> Int64 {
    try limits.checkpoint?()
    let rest = deadline - .now
    guard rest > .zero else { throw LibraryFailure(.workerTimedOut(seconds: limits.seconds)) }
    let parts = rest.components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }

  // MARK: End

  /// Ends the process at once.
  private func end() {
    _ = kill(process, SIGKILL)
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
  }

  private func waitForSuccess() throws {
    var status: Int32 = 0
    var pause: UInt32 = 50
    while true {
      let result = unsafe waitpid(process, &status, WNOHANG)
      if result == process { break }
      // Where the program takes no notice of its children, the system does not tell.
      if result < 0, errno == ECHILD { return }
      do {
        _ = try remaining()
      } catch {
        end()
        throw error
      }
      _ = usleep(pause)
      pause = min(2 * pause, 10_000)
    }
    let signal = status & 0x7f
    let code = Int(status >> 8 & 0xff)
    if signal == 0, code == 0 { return }
    try limits.checkpoint?()
    switch signal {
    case 0: throw LibraryFailure(.workerFailed(status: code))
    case SIGXCPU:
      throw LibraryFailure(.workerProcessorTime(seconds: limits.processorSeconds))
    case SIGALRM: throw LibraryFailure(.workerTimedOut(seconds: limits.seconds))
    // Someone wants it to stop, not the file.
    case SIGINT, SIGTERM, SIGHUP, SIGKILL:
      throw LibraryFailure(.workerFailed(status: 128 + Int(signal)))
    default: throw LibraryFailure(.workerCrashed(signal: Int(signal)))
    }
  }
}
