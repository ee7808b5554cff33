internal import CHDF5
internal import Tensors

/// Walks a file through the library and puts what it finds into a message.
///
/// Reads no dataset, and follows no link but hard ones inside the file, each object once.
struct Lister {
  let library: HDF5Library.Table
  let limits: ListingLimits
  var message: ListingWriter
  private var visited: Set<UInt64> = []
  private var objects = 0
  var attributeBytes = 0

  /// Lists an open file.
  static func list(
    _ descriptor: Int32, library: HDF5Library.Table, limits: ListingLimits,
    message: inout ListingWriter
  ) throws {
    let access = try unsafe library.fileAccess(descriptor: descriptor)
    let file = try unsafe library.handle(
      "open it", library.H5Fopen("file", UInt32(CHDF5_READ_ONLY), access.id),
      closing: library.H5Fclose)
    let creation = try library.handle(
      "inspect it", library.H5Fget_create_plist(file.id), closing: library.H5Pclose)
    var userBlock: hsize_t = 0
    try unsafe library.check("inspect it", library.H5Pget_userblock(creation.id, &userBlock))
    guard userBlock == 0 else {
      throw LibraryFailure(.unsupported("a user block of \(userBlock) bytes"))
    }
    var lister = Lister(library: library, limits: limits, message: message)
    let root = try lister.open(file.id, "/") { unsafe library.H5Oopen(file.id, "/", 0) }
    try lister.put(object: root.id, path: "/", depth: 0)
    message = lister.message
  }

  private init(library: HDF5Library.Table, limits: ListingLimits, message: ListingWriter) {
    self.library = library
    self.limits = limits
    self.message = message
  }

  private func open(_ file: hid_t, _ path: String, _ call: () -> hid_t) throws(LibraryFailure)
    -> HDF5Handle
  {
    do {
      return try library.handle("open it", call(), closing: library.H5Oclose)
    } catch {
      throw LibraryFailure(error.reason, object: .object(path))
    }
  }

  /// Adds the object to a failure that does not say which it concerns.
  @discardableResult
  func inObject<Result>(
    _ object: HDF5Object, _ body: () throws(LibraryFailure) -> Result
  ) throws(LibraryFailure) -> Result {
    do {
      return try body()
    } catch {
      throw LibraryFailure(error.reason, object: error.object ?? object)
    }
  }

  // MARK: Objects

  /// What a link leads to.
  enum Kind: UInt8 {
    case group
    case dataset
    case other
  }

  private mutating func put(object: hid_t, path: String, depth: Int) throws(LibraryFailure) {
    var info = CHDF5ObjectInfo()
    let status = unsafe library.H5Oget_info2(
      object, &info, UInt32(CHDF5_INFO_BASIC | CHDF5_INFO_NUM_ATTRS))
    try inObject(.object(path)) { () throws(LibraryFailure) in
      try library.check("inspect an object", status)
    }
    let address = UInt64(info.addr)
    guard visited.insert(address).inserted else {
      put(other: "a second link to an object that has another one")
      return
    }
    switch info.type {
    case H5O_TYPE_GROUP:
      guard depth <= limits.depth else {
        throw LibraryFailure(
          .tooMany(what: "groups inside each other", limit: limits.depth), object: .group(path))
      }
      message.put(byte: Kind.group.rawValue)
      message.put(address)
      try put(attributesOf: object, count: info.num_attrs, path: path)
      try put(linksOf: object, path: path, depth: depth)
    case H5O_TYPE_DATASET:
      message.put(byte: Kind.dataset.rawValue)
      message.put(address)
      try put(attributesOf: object, count: info.num_attrs, path: path)
      try put(dataset: object, path: path)
    case H5O_TYPE_NAMED_DATATYPE: put(other: "a named datatype")
    default: put(other: "an object of an unknown type")
    }
    guard !message.isTooLong else {
      throw LibraryFailure(.tooMany(what: "bytes of names", limit: limits.messageBytes))
    }
  }

  private mutating func put(other reason: String) {
    message.put(byte: Kind.other.rawValue)
    message.put(reason)
  }

  // MARK: Links

  private struct Link {
    let name: [UInt8]
    let type: H5L_type_t
    let address: UInt64
  }

  /// Takes what the library's iteration calls back with; stops it by a failure.
  private final class LinkCollector {
    var links: [Link] = []
    var failure: LibraryFailure?
    var budget: Int
    let nameLimit: Int

    init(budget: Int, nameLimit: Int) {
      self.budget = budget
      self.nameLimit = nameLimit
    }

    func take(_ name: UnsafePointer<CChar>, _ info: CHDF5LinkInfo) -> herr_t {
      guard budget > 0 else { return -1 }
      budget -= 1
      guard let bytes = unsafe Lister.bytes(name, limit: nameLimit) else {
        failure = LibraryFailure(.tooMany(what: "bytes in a name", limit: nameLimit))
        return -1
      }
      let address = unsafe info.type == H5L_TYPE_HARD ? UInt64(info.u.address) : 0
      links.append(Link(name: bytes, type: info.type, address: address))
      return 0
    }
  }

  private mutating func put(linksOf group: hid_t, path: String, depth: Int) throws(LibraryFailure) {
    let collector = LinkCollector(budget: limits.objects - objects, nameLimit: limits.nameSize)
    let status = unsafe library.H5Literate(
      group, H5_INDEX_NAME, H5_ITER_NATIVE, nil,
      { _, name, info, context in
        guard let name = unsafe name, let info = unsafe info, let context = unsafe context else {
          return -1
        }
        return unsafe Unmanaged<LinkCollector>.fromOpaque(context).takeUnretainedValue()
          .take(name, info.pointee)
      }, unsafe Unmanaged.passUnretained(collector).toOpaque())
    try inObject(.group(path)) { () throws(LibraryFailure) in
      if let failure = collector.failure { throw failure }
      if status < 0, collector.budget == 0 {
        throw LibraryFailure(.tooMany(what: "objects in the file", limit: limits.objects))
      }
      try library.check("list a group", status)
    }
    objects += collector.links.count
    message.put(collector.links.count)
    for link in collector.links {
      message.put(link.name)
      switch link.type {
      case H5L_TYPE_HARD:
        let name = String(decoding: link.name, as: UTF8.self)
        let linkPath = path == "/" ? "/\(name)" : "\(path)/\(name)"
        // Whatever leads back or a second time to an object is not opened again.
        if visited.contains(link.address) {
          put(other: "a second link to an object that has another one")
        } else {
          let object = try open(group, linkPath) {
            library.H5Oopen_by_addr(group, haddr_t(link.address))
          }
          try put(object: object.id, path: linkPath, depth: depth + 1)
        }
      case H5L_TYPE_SOFT: put(other: "a soft link")
      case H5L_TYPE_EXTERNAL: put(other: "an external link")
      default: put(other: "a link of a user-defined type")
      }
    }
  }

  /// The bytes of a C string, nil beyond `limit`.
  static func bytes(_ text: UnsafePointer<CChar>, limit: Int) -> [UInt8]? {
    var count = 0
    while unsafe text[count] != 0 {
      count += 1
      if count > limit { return nil }
    }
    return (0..<count).map { unsafe UInt8(bitPattern: text[$0]) }
  }
}
