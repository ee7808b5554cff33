#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The process that lists a file for another one, so that a file made to crash the library ends
/// nothing that matters.
///
/// It gets the open file as standard input and sends one message to standard output. It can open
/// no file but that one, write none, and use up no more than its limits.
public enum HDF5Worker {
  static let argument = "--list-hdf5-on-standard-input"

  /// Lists the file on standard input and ends the process, if the arguments say so.
  ///
  /// A program that reads files with `HDF5Reading.isolated` calls this before anything else.
  public static func runIfAsked(arguments: [String]) {
    guard arguments.count >= 5, arguments[1] == argument, let memory = Int(arguments[2]),
      let processorSeconds = Int(arguments[3]), let seconds = Int(arguments[4])
    else { return }
    var limits = HDF5WorkerLimits()
    limits.memory = memory
    limits.processorSeconds = processorSeconds
    limits.seconds = seconds
    if arguments.count > 5 { limits.misbehavior = HDF5Misbehavior(rawValue: arguments[5]) }
    run(limits)
  }

  /// The path of the running program, as `HDF5Reading.isolated` takes it.
  public static var ownExecutable: String {
    #if os(Linux)
      // Still the same program if its file was replaced meanwhile.
      return "/proc/self/exe"
    #else
      var size = UInt32(PATH_MAX)
      var path = [CChar](repeating: 0, count: Int(size))
      guard _NSGetExecutablePath(&path, &size) == 0 else { return CommandLine.arguments[0] }
      return String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    #endif
  }

  /// The arguments that `runIfAsked` understands.
  static func arguments(_ limits: HDF5WorkerLimits) -> [String] {
    [argument, "\(limits.memory)", "\(limits.processorSeconds)", "\(limits.seconds)"]
      + (limits.misbehavior.map { [$0.rawValue] } ?? [])
  }

  private static func run(_ limits: HDF5WorkerLimits) -> Never {
    closeEverythingElse()
    restrain(limits)
    if let misbehavior = limits.misbehavior { misbehave(misbehavior) }
    let message = list(limits)
    let isSent = unsafe message.withUnsafeBytes(send)
    _exit(isSent ? 0 : 1)
  }

  private static func list(_ limits: HDF5WorkerLimits) -> [UInt8] {
    let listing = ListingLimits()
    do {
      return try HDF5Library.session { library in
        forbidOpening()
        return try ListingWriter.message(limit: listing.messageBytes) { message in
          message.put(byte: 0)
          try Lister.list(0, library: library, limits: listing, message: &message)
        }
      }
    } catch {
      var failure = error as? LibraryFailure ?? LibraryFailure(.damaged("\(error)"))
      if case .library(_, let text) = failure.reason, text.contains("memory allocation failed") {
        failure = LibraryFailure(.workerMemory(limit: limits.memory))
      }
      return ListingWriter.message(limit: listing.messageBytes) { message in
        ListedFailure.put(failure, into: &message)
      }
    }
  }

  private static func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var rest = unsafe bytes[...]
    while unsafe !rest.isEmpty {
      let count = unsafe write(1, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count < 0, errno != EINTR { return false }
      unsafe rest = rest.dropFirst(max(0, count))
    }
    return true
  }

  // MARK: Restraints

  private static func closeEverythingElse() {
    guard let folder = unsafe opendir("/dev/fd") else { return }
    var numbers: [Int32] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if let number = Int32(name), number > 2 { numbers.append(number) }
    }
    unsafe closedir(folder)
    for number in numbers { _ = close(number) }
  }

  private static func restrain(_ limits: HDF5WorkerLimits) {
    set(RLIMIT_CORE, 0)
    set(RLIMIT_FSIZE, 0)
    set(RLIMIT_CPU, limits.processorSeconds, hard: limits.processorSeconds + 1)
    #if os(Linux)
      // Elsewhere the limit on address space means nothing.
      set(RLIMIT_AS, addressSpace() + limits.memory)
    #endif
    // The parent ends this process in time; if there is no parent any more, this does.
    _ = alarm(UInt32(clamping: limits.seconds + 5))
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// From now on no file is opened, whatever the one that is open refers to.
  private static func forbidOpening() { set(RLIMIT_NOFILE, 0) }

  #if canImport(Glibc)
    private typealias Resource = __rlimit_resource
    private static func number(_ resource: Resource) -> __rlimit_resource_t {
      __rlimit_resource_t(resource.rawValue)
    }
  #else
    private typealias Resource = Int32
    private static func number(_ resource: Resource) -> Int32 { resource }
  #endif

  private static func set(_ name: Resource, _ soft: Int, hard: Int? = nil) {
    let resource = number(name)
    var limit = rlimit(rlim_cur: rlim_t(soft), rlim_max: rlim_t(hard ?? soft))
    if unsafe setrlimit(resource, &limit) == 0 { return }
    // A harder limit than ours stays.
    var current = rlimit()
    guard unsafe getrlimit(resource, &current) == 0 else { return }
    limit.rlim_max = current.rlim_max
    limit.rlim_cur = min(limit.rlim_cur, current.rlim_max)
    _ = unsafe setrlimit(resource, &limit)
  }

  /// Bytes of address space in use.
  private static func addressSpace() -> Int {
    var text = [UInt8](repeating: 0, count: 64)
    let descriptor = unsafe open("/proc/self/statm", O_RDONLY)
    guard descriptor >= 0 else { return 1 << 30 }
    defer { _ = close(descriptor) }
    let count = unsafe read(descriptor, &text, text.count)
    let digits = text.prefix(max(0, count)).prefix { $0 >= 0x30 && $0 <= 0x39 }
    let pages = Int(String(decoding: digits, as: UTF8.self)) ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  // MARK: Tests

  private static func misbehave(_ misbehavior: HDF5Misbehavior) {
    switch misbehavior {
    case .crash: _ = kill(getpid(), SIGSEGV)
    case .hang: while true { _ = pause() }
    case .compute:
      var number: UInt64 = 1
      while number != 0 { number = number &* 6_364_136_223_846_793_005 | 1 }
    case .allocate:
      var total = 0
      while total < 1 << 40, unsafe malloc(1 << 24) != nil { total += 1 << 24 }
      let failure = LibraryFailure(
        .library(operation: "list", text: "memory allocation failed for \(total) bytes"))
      _ = unsafe ListingWriter.message(limit: 1 << 10) { ListedFailure.put(failure, into: &$0) }
        .withUnsafeBytes(send)
      _exit(0)
    case .exit: _exit(3)
    case .open:
      forbidOpening()
      let failure = unsafe LibraryFailure(
        .unsupported(open("/dev/null", O_RDONLY) < 0 ? "opening" : "nothing"))
      _ = unsafe ListingWriter.message(limit: 1 << 10) { ListedFailure.put(failure, into: &$0) }
        .withUnsafeBytes(send)
      _exit(0)
    case .linger:
      _ = close(1)
      while true { _ = pause() }
    }
  }
}
