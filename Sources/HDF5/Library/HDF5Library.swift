internal import CHDF5
internal import Synchronization

/// libhdf5, loaded when it is first needed.
///
/// It knows no threads: all calls happen inside `session`, one at a time.
package enum HDF5Library {
  /// The functions and constants of the loaded library.
  @dynamicMemberLookup
  @safe struct Table: @unchecked Sendable {
    fileprivate let pointer: UnsafePointer<CHDF5Library>

    /// A function or constant.
    subscript<Member>(dynamicMember member: KeyPath<CHDF5Library, Member>) -> Member {
      unsafe pointer.pointee[keyPath: member]
    }
  }

  private static let lock = Mutex(())

  private static let loaded: Result<Table, LibraryFailure> = {
    let pointer = UnsafeMutablePointer<CHDF5Library>.allocate(capacity: 1)
    var text = [CChar](repeating: 0, count: 512)
    let outcome = unsafe chdf5_load(pointer, &text, text.count)
    let words = String(
      decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    switch outcome {
    case CHDF5_LOADED: return unsafe .success(Table(pointer: pointer))
    case CHDF5_MISSING: return .failure(LibraryFailure(.libraryMissing(words)))
    case CHDF5_OTHER_VERSION:
      let expected = unsafe String(cString: chdf5_header_version())
      return .failure(LibraryFailure(.libraryVersion(found: words, expected: expected)))
    default: return .failure(LibraryFailure(.libraryUnusable(words)))
    }
  }()

  /// Runs `body` while the package does not use the library: for tests and benchmarks that do.
  package static func exclusively<Result>(_ body: () throws -> Result) rethrows -> Result {
    try lock.withLock { _ in try body() }
  }

  /// Runs `body` while no other thread uses the library; sessions do not nest.
  ///
  /// - Throws: `LibraryFailure` where the library can't be loaded.
  static func session<Result>(_ body: (Table) throws -> Result) throws -> Result {
    try lock.withLock { _ in
      let library = try loaded.get()
      // A library that was built for threads keeps a setting for each.
      _ = unsafe library.H5Eset_auto2(0, nil, nil)
      return try body(library)
    }
  }
}

/// What went wrong in the library or while its answers were read, before the file's name is known.
struct LibraryFailure: Error {
  let reason: HDF5Error.Reason
  var object: HDF5Object?

  init(_ reason: HDF5Error.Reason, object: HDF5Object? = nil) {
    self.reason = reason
    self.object = object
  }

  /// The same with its file.
  func error(path: String) -> HDF5Error { HDF5Error(path: path, object: object, reason: reason) }
}

extension HDF5Library.Table {
  /// Passes a result that is not negative on.
  ///
  /// - Throws: `LibraryFailure` with the library's words otherwise.
  @discardableResult
  func check<Number: SignedInteger>(
    _ operation: String, writing: Bool = false, _ result: Number
  ) throws(LibraryFailure) -> Number {
    guard result < 0 else { return result }
    let text = takeErrorText()
    throw LibraryFailure(
      writing
        ? .writing(operation: operation, text: text) : .library(operation: operation, text: text))
  }

  /// A property list that opens the file of a descriptor; where `failure` is given, for writing:
  /// it gets the errno of the first write that fails.
  func fileAccess(
    descriptor: Int32, failure: UnsafeMutablePointer<Int32>? = nil
  ) throws(LibraryFailure) -> HDF5Handle {
    let access = try handle("prepare", self.H5Pcreate(self.FILE_ACCESS), closing: self.H5Pclose)
    try unsafe check("prepare", chdf5_use_descriptor(pointer, access.id, descriptor, failure))
    return access
  }

  /// Takes a new identifier into a handle.
  func handle(
    _ operation: String, writing: Bool = false, _ id: hid_t,
    closing close: @escaping @convention(c) (hid_t) -> herr_t
  ) throws(LibraryFailure) -> HDF5Handle {
    HDF5Handle(id: try check(operation, writing: writing, id), close: close)
  }

  /// The innermost descriptions of the library's error stack, which is cleared.
  private func takeErrorText() -> String {
    final class Collector { var texts: [String] = [] }
    let collector = Collector()
    _ = unsafe self.H5Ewalk2(
      0, H5E_WALK_UPWARD,
      { depth, error, context in
        guard depth < 3, let context = unsafe context, let text = unsafe error?.pointee.desc else {
          return 0
        }
        let collector = unsafe Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
        let words = unsafe String(cString: text)
        if !words.isEmpty, collector.texts.last != words { collector.texts.append(words) }
        return 0
      }, unsafe Unmanaged.passUnretained(collector).toOpaque())
    _ = self.H5Eclear2(0)
    let texts = collector.texts.prefix(2).joined(separator: ", ")
    return texts.isEmpty ? "it does not say why" : texts
  }
}

/// An open object of the library, closed with the value; lives inside one session.
struct HDF5Handle: ~Copyable {
  let id: hid_t
  private let close: @convention(c) (hid_t) -> herr_t

  fileprivate init(id: hid_t, close: @escaping @convention(c) (hid_t) -> herr_t) {
    self.id = id
    self.close = close
  }

  deinit { _ = close(id) }
}
