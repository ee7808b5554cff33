internal import CHDF5

extension Lister {
  private final class NameCollector {
    var names: [[UInt8]] = []
    var isOver = false
    let limits: ListingLimits

    init(limits: ListingLimits) { self.limits = limits }

    func take(_ name: UnsafePointer<CChar>) -> herr_t {
      guard names.count < limits.attributes,
        let bytes = unsafe Lister.bytes(name, limit: limits.nameSize)
      else {
        isOver = true
        return -1
      }
      names.append(bytes)
      return 0
    }
  }

  /// Puts all attributes of an object.
  mutating func put(attributesOf object: hid_t, count: UInt64, path: String) throws(LibraryFailure)
  {
    let tooMany = LibraryFailure(
      .tooMany(what: "attributes", limit: limits.attributes), object: .object(path))
    guard count <= UInt64(limits.attributes) else { throw tooMany }
    guard count > 0 else { return message.put(0) }
    let collector = NameCollector(limits: limits)
    let status = unsafe library.H5Aiterate2(
      object, H5_INDEX_NAME, H5_ITER_NATIVE, nil,
      { _, name, _, context in
        guard let name = unsafe name, let context = unsafe context else { return -1 }
        return unsafe Unmanaged<NameCollector>.fromOpaque(context).takeUnretainedValue().take(name)
      }, unsafe Unmanaged.passUnretained(collector).toOpaque())
    guard !collector.isOver else { throw tooMany }
    try inObject(.object(path)) { () throws(LibraryFailure) in
      try library.check("list the attributes", status)
    }
    message.put(collector.names.count)
    for name in collector.names {
      let text = String(decoding: name, as: UTF8.self)
      message.put(name)
      do {
        try put(attribute: name, of: object)
      } catch {
        throw LibraryFailure(error.reason, object: error.object ?? .attribute(text, of: path))
      }
    }
  }

  private mutating func put(attribute name: [UInt8], of object: hid_t) throws(LibraryFailure) {
    let id = unsafe (name + [0]).withUnsafeBufferPointer { buffer in
      unsafe buffer.withMemoryRebound(to: CChar.self) {
        unsafe library.H5Aopen(object, $0.baseAddress, 0)
      }
    }
    let attribute = try library.handle("open the attribute", id, closing: library.H5Aclose)
    let type = try library.handle(
      "read its type", library.H5Aget_type(attribute.id), closing: library.H5Tclose)
    let space = try library.handle(
      "read its shape", library.H5Aget_space(attribute.id), closing: library.H5Sclose)
    let (value, bytes) = try value(of: attribute.id, type: type.id, space: space.id)
    attributeBytes += bytes
    guard attributeBytes <= limits.attributeBytes else {
      throw LibraryFailure(.tooMany(what: "bytes of attributes", limit: limits.attributeBytes))
    }
    value.put(into: &message)
  }

  /// The value, and its size in bytes.
  private func value(of attribute: hid_t, type: hid_t, space: hid_t) throws(LibraryFailure) -> (
    RawAttributeValue, Int
  ) {
    var rank = 0
    var count = 1
    switch library.H5Sget_simple_extent_type(space) {
    case H5S_SCALAR: break
    case H5S_SIMPLE:
      rank = Int(try library.check("read its shape", library.H5Sget_simple_extent_ndims(space)))
      guard rank == 1 else { return (.unsupported("an array of rank \(rank)"), 0) }
      guard library.H5Tget_class(type) != H5T_STRING else {
        return (.unsupported("an array of strings"), 0)
      }
      var extent: hsize_t = 0
      try unsafe library.check(
        "read its shape", library.H5Sget_simple_extent_dims(space, &extent, nil))
      guard extent <= UInt64(limits.attributeBytes - attributeBytes) / 8 else {
        throw LibraryFailure(.tooMany(what: "bytes of attributes", limit: limits.attributeBytes))
      }
      count = Int(extent)
    default: return (.unsupported("an attribute without a value"), 0)
    }
    let size = library.H5Tget_size(type)
    switch library.H5Tget_class(type) {
    case H5T_STRING: return try string(of: attribute, type: type, size: size)
    case H5T_INTEGER:
      return (try integers(of: attribute, type: type, size: size, rank: rank, count), 8 * count)
    case H5T_FLOAT:
      return (try doubles(of: attribute, rank: rank, count), 8 * count)
    case let other: return (.unsupported(Lister.name(ofClass: other, size: size)), 0)
    }
  }

  private func integers(
    of attribute: hid_t, type: hid_t, size: Int, rank: Int, _ count: Int
  ) throws(LibraryFailure) -> RawAttributeValue {
    guard size <= 8 else { return .unsupported("integers of \(size) bytes") }
    // The library clips what does not fit; so unsigned ones are read as such.
    let isUnsigned = library.H5Tget_sign(type) == H5T_SGN_NONE
    var values = [UInt64](repeating: 0, count: count)
    let target = isUnsigned ? library.NATIVE_UINT64 : library.NATIVE_INT64
    if count > 0 { try unsafe library.check("read", library.H5Aread(attribute, target, &values)) }
    if isUnsigned, values.contains(where: { $0 > UInt64(Int.max) }) {
      return .unsupported("an integer beyond 63 bits")
    }
    let integers = values.map { Int(Int64(bitPattern: $0)) }
    return rank == 0 ? .integer(integers[0]) : .integers(integers)
  }

  private func doubles(of attribute: hid_t, rank: Int, _ count: Int) throws(LibraryFailure)
    -> RawAttributeValue
  {
    var values = [Double](repeating: 0, count: count)
    if count > 0 {
      try unsafe library.check("read", library.H5Aread(attribute, library.NATIVE_DOUBLE, &values))
    }
    return rank == 0 ? .double(values[0]) : .doubles(values)
  }

  private func string(of attribute: hid_t, type: hid_t, size: Int) throws(LibraryFailure) -> (
    RawAttributeValue, Int
  ) {
    if try library.check("read its type", library.H5Tis_variable_str(type)) > 0 {
      let bytes = try unsafe string { pointer throws(LibraryFailure) in
        try unsafe library.check("read", library.H5Aread(attribute, type, pointer))
      }
      return (.string(bytes), bytes.count)
    }
    guard size <= limits.attributeBytes - attributeBytes else { throw tooLong }
    guard let padding = padding(of: type) else {
      return (.unsupported("a string of an unknown padding"), 0)
    }
    var bytes = [UInt8](repeating: 0, count: size)
    try unsafe library.check("read", library.H5Aread(attribute, type, &bytes))
    return (.string(padding.content(bytes)), size)
  }

  private var tooLong: LibraryFailure {
    LibraryFailure(.tooMany(what: "bytes of attributes", limit: limits.attributeBytes))
  }

  /// A string of variable length, which `read` lets the library allocate.
  func string(
    read: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) throws(LibraryFailure) -> Void
  ) throws(LibraryFailure) -> [UInt8] {
    var pointer: UnsafeMutablePointer<CChar>?
    try unsafe read(&pointer)
    defer { _ = unsafe library.H5free_memory(pointer) }
    guard let pointer = unsafe pointer else { return [] }
    guard let bytes = unsafe Lister.bytes(pointer, limit: limits.attributeBytes - attributeBytes)
    else {
      throw tooLong
    }
    return bytes
  }

  /// How a string type of a fixed size is filled up.
  func padding(of type: hid_t) -> HDF5StringPadding? {
    switch library.H5Tget_strpad(type) {
    case H5T_STR_NULLTERM: .nullTerminated
    case H5T_STR_NULLPAD: .nullPadded
    case H5T_STR_SPACEPAD: .spacePadded
    default: nil
    }
  }

  /// A class of types in words.
  static func name(ofClass type: H5T_class_t, size: Int) -> String {
    switch type {
    case H5T_INTEGER: "integers of \(size) bytes"
    case H5T_FLOAT: "a floating-point type of \(size) bytes"
    case H5T_TIME: "a time type"
    case H5T_STRING: "strings"
    case H5T_BITFIELD: "bit fields"
    case H5T_OPAQUE: "opaque data"
    case H5T_COMPOUND: "a compound type"
    case H5T_REFERENCE: "references"
    case H5T_ENUM: "an enumeration"
    case H5T_VLEN: "variable-length data"
    case H5T_ARRAY: "an array type"
    default: "an unknown type"
    }
  }
}

/// An attribute's value before its strings are known to be text.
enum RawAttributeValue {
  case string([UInt8])
  case integer(Int)
  case double(Double)
  case integers([Int])
  case doubles([Double])
  case unsupported(String)

  func put(into message: inout ListingWriter) {
    switch self {
    case .string(let bytes):
      message.put(byte: 0)
      message.put(bytes)
    case .integer(let value):
      message.put(byte: 1)
      message.put(value)
    case .double(let value):
      message.put(byte: 2)
      message.put(value.bitPattern)
    case .integers(let values):
      message.put(byte: 3)
      message.put(values.count)
      for value in values { message.put(value) }
    case .doubles(let values):
      message.put(byte: 4)
      message.put(values.count)
      for value in values { message.put(value.bitPattern) }
    case .unsupported(let kind):
      message.put(byte: 5)
      message.put(kind)
    }
  }
}

extension HDF5Value {
  /// Takes a value out of a message.
  init(from message: inout ListingReader) throws(LibraryFailure) {
    switch try message.byte() {
    case 0:
      let bytes = try message.content()
      if let text = String(validating: bytes, as: UTF8.self) {
        self = .string(text)
      } else {
        self = .unsupported("a string that is not UTF-8")
      }
    case 1: self = .integer(try message.integer())
    case 2: self = .double(Double(bitPattern: try message.number()))
    case 3:
      var values: [Int] = []
      for _ in 0..<(try message.count()) { values.append(try message.integer()) }
      self = .integers(values)
    case 4:
      var values: [Double] = []
      for _ in 0..<(try message.count()) {
        values.append(Double(bitPattern: try message.number()))
      }
      self = .doubles(values)
    case 5: self = .unsupported(try message.text())
    default: throw ListingReader.nonsense("an unknown kind of value")
    }
  }
}
