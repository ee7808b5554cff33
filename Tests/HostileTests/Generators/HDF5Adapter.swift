import ByteIO
import CHDF5
import FormatTestSupport
import HDF5
import LoRATestSupport
import TestSupport
import Testing

/// A ResLoRA adapter in HDF5 of one block `q`, parts of it replaced by what the package never writes.
enum HDF5Adapter {
  static let name = "x.h5"

  static let sketch = HDF5Sketch([
    "/@format": .attribute(.string("reslora-adapter")),
    "/@version": .attribute(.integer(1)),
    "/@structure": .attribute(.string("is")),
    "/@root": .attribute(.string("none")),
    "/@pre_num": .attribute(.integer(-1)),
    "/blocks/q@index": .attribute(.integer(0)),
    "/blocks/q@scaling": .attribute(.double(1)),
    "/blocks/q/lora_A": .tensor(.dataset([2, 4])),
    "/blocks/q/lora_B": .tensor(.dataset([4, 2])),
  ])

  /// An adapter of many blocks, whole.
  static let many: [UInt8] = {
    let folder = TemporaryFolder()
    var sketch = HDF5Adapter.sketch
    for index in 1...12 {
      sketch = sketch.changed([
        "/blocks/q\(index)@index": .attribute(.integer(index)),
        "/blocks/q\(index)@scaling": .attribute(.double(1)),
        "/blocks/q\(index)/lora_A": .tensor(.dataset([2, 4])),
        "/blocks/q\(index)/lora_B": .tensor(.dataset([4, 2])),
      ])
    }
    return (try? FileSystem.contents(sketch.write(to: folder.file(name)))) ?? []
  }()

  /// Files of objects that the package refuses, from the readers' tests.
  static let refused = "\(TestFiles.root)/Tests/HDF5Tests/Fixtures/refused.h5"

  typealias Change = @Sendable (CHDF5Library, hid_t) throws -> Void

  /// Writes the adapter without `missing`, then changes it by the library itself.
  static func write(
    to folder: TemporaryFolder, missing: [String] = ["/blocks/q/lora_A"], _ change: Change
  ) throws {
    let path = folder.file(name)
    try missing.reduce(sketch) { $0.changed([$1: nil]) }.write(to: path)
    try RawLibrary.change(path, change)
  }

  // MARK: What stands in for a factor

  private typealias MakeLink =
    @convention(c) (UnsafePointer<CChar>, hid_t, UnsafePointer<CChar>, hid_t, hid_t) -> herr_t
  private typealias MakeExternal =
    @convention(c) (
      UnsafePointer<CChar>, UnsafePointer<CChar>, hid_t, UnsafePointer<CChar>, hid_t, hid_t
    ) -> herr_t
  private typealias MakeHard =
    @convention(c) (hid_t, UnsafePointer<CChar>, hid_t, UnsafePointer<CChar>, hid_t, hid_t)
    -> herr_t
  private typealias Copy = MakeHard
  private typealias SetExternal =
    @convention(c) (hid_t, UnsafePointer<CChar>, Int, hsize_t) -> herr_t
  private typealias SetFilter =
    @convention(c) (hid_t, Int32, UInt32, Int, UnsafePointer<UInt32>?) -> herr_t

  static func externalLink(_ path: String, to file: String, _ object: String) -> Change {
    { _, loc in
      let make = try RawLibrary.function("H5Lcreate_external", as: MakeExternal.self)
      try #require(make(file, object, loc, path, 0, 0) >= 0)
    }
  }

  static func softLink(_ path: String, to target: String) -> Change {
    { _, loc in
      let make = try RawLibrary.function("H5Lcreate_soft", as: MakeLink.self)
      try #require(make(target, loc, path, 0, 0) >= 0)
    }
  }

  static func hardLink(_ path: String, to target: String) -> Change {
    { _, loc in
      let make = try RawLibrary.function("H5Lcreate_hard", as: MakeHard.self)
      try #require(make(loc, target, loc, path, 0, 0) >= 0)
    }
  }

  /// Copies an object of `refused.h5`.
  static func copy(_ object: String, to path: String = "/blocks/q/lora_A") -> Change {
    { api, loc in
      let copy = try RawLibrary.function("H5Ocopy", as: Copy.self)
      let source = api.H5Fopen(refused, 0, 0)
      try #require(source >= 0)
      defer { _ = api.H5Fclose(source) }
      try #require(copy(source, object, loc, path, 0, 0) >= 0)
    }
  }

  /// A dataset whose bytes lie in another file.
  static let externalStorage: Change = { api, loc in
    let set = try RawLibrary.function("H5Pset_external", as: SetExternal.self)
    try RawLibrary.dataset(
      api, loc, "/blocks/q/lora_A", shape: [2, 4], chunk: nil, nil
    ) { try #require(set($0, "base.safetensors", 0, 32) >= 0) }
  }

  /// A dataset with a filter, by its number, that the library does not have.
  static func filter(_ number: Int32) -> Change {
    { api, loc in
      let set = try RawLibrary.function("H5Pset_filter", as: SetFilter.self)
      try RawLibrary.dataset(
        api, loc, "/blocks/q/lora_A", shape: [2, 4], chunk: [2, 4], nil
      ) { try #require(set($0, number, 1, 0, nil) >= 0) }
    }
  }

  /// A and B whose shapes promise terabytes that were never written.
  static func bomb(in inFeatures: Int, rank: Int) -> Change {
    { api, loc in
      for (name, shape) in [("A", [rank, inFeatures]), ("B", [4, rank])] {
        try RawLibrary.dataset(
          api, loc, "/blocks/q/lora_\(name)", shape: shape, chunk: [rank, min(shape[1], 1 << 18)],
          nil)
      }
    }
  }

  /// The same numbers in the other byte order.
  static let bigEndian: Change = { api, loc in
    let type = try RawLibrary.variable("H5T_IEEE_F32BE_g", as: hid_t.self)
    let space = api.H5Screate_simple(2, [2, 4], [2, 4])
    defer { _ = api.H5Sclose(space) }
    let dataset = api.H5Dcreate2(loc, "/blocks/q/lora_A", type, space, 0, 0, 0)
    try #require(dataset >= 0)
    defer { _ = api.H5Dclose(dataset) }
    let values = (1...8).map { Float($0) }
    try #require(api.H5Dwrite(dataset, api.IEEE_F32LE, 0, 0, 0, values) >= 0)
  }

  static func attributes(_ count: Int) -> Change {
    { api, loc in
      let group = api.H5Oopen(loc, "/blocks/q", 0)
      try #require(group >= 0)
      defer { _ = api.H5Oclose(group) }
      let space = api.H5Screate(H5S_SCALAR)
      defer { _ = api.H5Sclose(space) }
      for number in 0..<count {
        let attribute = api.H5Acreate2(group, "\(number)", api.STD_I64LE, space, 0, 0)
        try #require(api.H5Aclose(attribute) >= 0)
      }
    }
  }
}
