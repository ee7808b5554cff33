package import CHDF5
internal import Foundation
internal import HDF5
internal import Testing

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The library itself, to write what the package does not write.
package enum RawLibrary {
  nonisolated(unsafe) private static let table: UnsafeMutablePointer<CHDF5Library>? = {
    let table = UnsafeMutablePointer<CHDF5Library>.allocate(capacity: 1)
    var text = [CChar](repeating: 0, count: 256)
    return chdf5_load(table, &text, text.count) == CHDF5_LOADED ? table : nil
  }()

  /// The functions in the package's table.
  package static func api() throws -> CHDF5Library { try #require(table).pointee }

  /// A function that is not in the package's table.
  package static func function<Function>(_ name: String, as: Function.Type) throws -> Function {
    unsafeBitCast(try symbol(name), to: Function.self)
  }

  /// The value of a variable that is not in the package's table.
  package static func variable<Value>(_ name: String, as: Value.Type) throws -> Value {
    try symbol(name).load(as: Value.self)
  }

  private static func symbol(_ name: String) throws -> UnsafeMutableRawPointer {
    _ = try api()
    for library in ["libhdf5_serial.so.103", "libhdf5_serial.so", "libhdf5.so", "libhdf5.dylib"] {
      if let handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD), let symbol = dlsym(handle, name) {
        return symbol
      }
    }
    throw Missing(name: name)
  }

  package struct Missing: Error { let name: String }

  /// Creates a file with the structures of the newest version the library knows, or 1.8's.
  package static func create(
    _ path: String, newest: Bool, _ body: (CHDF5Library, hid_t) throws -> Void
  )
    throws
  {
    try HDF5Library.exclusively { try createAlone(path, newest: newest, body) }
  }

  /// Opens a file to change it.
  package static func change(_ path: String, _ body: (CHDF5Library, hid_t) throws -> Void) throws {
    try HDF5Library.exclusively {
      let api = try api()
      let file = api.H5Fopen(path, 1, 0)
      try #require(file >= 0)
      defer { _ = api.H5Fclose(file) }
      try body(api, file)
    }
  }

  private static func createAlone(
    _ path: String, newest: Bool, _ body: (CHDF5Library, hid_t) throws -> Void
  ) throws {
    let api = try api()
    let access = api.H5Pcreate(api.FILE_ACCESS)
    defer { _ = api.H5Pclose(access) }
    if newest {
      try #require(api.H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0)
    }
    var file = api.H5Fcreate(path, 2, 0, access)
    // A file that a test made the library fail to close stays open for it; a new file with the inode
    // of that one, which is deleted, it takes for the same. Another inode helps.
    for attempt in 0..<9 where file < 0 {
      try FileManager.default.moveItem(atPath: path, toPath: "\(path)~\(attempt)")
      file = api.H5Fcreate(path, 2, 0, access)
    }
    for attempt in 0..<9 { try? FileManager.default.removeItem(atPath: "\(path)~\(attempt)") }
    try #require(file >= 0)
    do {
      try body(api, file)
    } catch {
      _ = api.H5Fclose(file)
      throw error
    }
    try #require(api.H5Fclose(file) >= 0)
  }

  /// Creates a float32 dataset, its property list changed by `prepare`, and writes its elements.
  package static func dataset(
    _ api: CHDF5Library, _ file: hid_t, _ name: String, shape: [Int], maximum: [Int?]? = nil,
    chunk: [Int]?, _ values: [Float]?, prepare: (hid_t) throws -> Void = { _ in }
  ) throws {
    let list = api.H5Pcreate(api.DATASET_CREATE)
    defer { _ = api.H5Pclose(list) }
    if let chunk {
      try #require(api.H5Pset_chunk(list, Int32(chunk.count), chunk.map(hsize_t.init)) >= 0)
    }
    try prepare(list)
    let limits = (maximum ?? shape).map { $0.map(hsize_t.init) ?? hsize_t.max }
    let space = api.H5Screate_simple(Int32(shape.count), shape.map(hsize_t.init), limits)
    defer { _ = api.H5Sclose(space) }
    let dataset = api.H5Dcreate2(file, name, api.IEEE_F32LE, space, 0, list, 0)
    try #require(dataset >= 0)
    defer { _ = api.H5Dclose(dataset) }
    if let values {
      try #require(api.H5Dwrite(dataset, api.IEEE_F32LE, 0, 0, 0, values) >= 0)
    }
  }
}
