import CHDF5
import FormatTestSupport
import HDF5
import Tensors
import TestSupport
import Testing

/// Indexes so large that they have several levels, super blocks and pages.
@Suite struct ChunkIndexTests {
  private let folder = TemporaryFolder()

  /// A way to store many chunks.
  struct Case: Sendable, CustomStringConvertible {
    let description: String
    let newest: Bool
    let shape: [Int]
    var maximum: [Int?]?
    let chunk: [Int]
    var deflates = false
    var early = false
  }

  private static let cases = [
    Case(description: "B-tree", newest: false, shape: [70_000], chunk: [7]),
    Case(
      description: "B-tree, filtered", newest: false, shape: [300, 200], chunk: [3, 5],
      deflates: true),
    Case(description: "implicit", newest: true, shape: [70_000], chunk: [7], early: true),
    Case(description: "fixed array, pages", newest: true, shape: [60_000], chunk: [11]),
    Case(
      description: "fixed array, pages, filtered", newest: true, shape: [300, 200],
      chunk: [3, 5], deflates: true),
    Case(
      description: "fixed array, room to grow", newest: true, shape: [90, 50],
      maximum: [300, 200], chunk: [1, 3]),
    Case(
      description: "extensible array, super blocks and pages", newest: true, shape: [300_000],
      maximum: [nil], chunk: [1]),
    Case(
      description: "extensible array, filtered", newest: true, shape: [40_000], maximum: [nil],
      chunk: [3], deflates: true),
    Case(
      description: "extensible array, second dimension", newest: true, shape: [20, 900],
      maximum: [33, nil], chunk: [3, 2]),
    Case(
      description: "new B-tree", newest: true, shape: [300, 200], maximum: [nil, nil],
      chunk: [2, 3]),
    Case(
      description: "new B-tree, filtered", newest: true, shape: [200, 200], maximum: [nil, nil],
      chunk: [2, 3], deflates: true),
  ]

  @Test("many chunks", arguments: cases)
  func many(_ item: Case) throws {
    let path = folder.file("x.h5")
    let count = item.shape.reduce(1, *)
    let values = (0..<count).map { Float($0) }
    try RawLibrary.create(path, newest: item.newest) { api, file in
      try RawLibrary.dataset(
        api, file, "x", shape: item.shape, maximum: item.maximum, chunk: item.chunk, values
      ) { list in
        if item.deflates { try #require(api.H5Pset_deflate(list, 1) >= 0) }
        if item.early {
          try #require(api.H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) >= 0)
        }
      }
    }
    let file = try HDF5File(path: path, reading: .inProcess)
    let dataset = try #require(try file.root.dataset("x"))
    #expect(try dataset.values(threads: 2) == values.map(Double.init))
  }

  @Test("few chunks of many", arguments: cases.filter { !$0.early })
  func few(_ item: Case) throws {
    let path = folder.file("x.h5")
    try RawLibrary.create(path, newest: item.newest) { api, file in
      try RawLibrary.dataset(
        api, file, "x", shape: item.shape, maximum: item.maximum, chunk: item.chunk, nil
      ) { list in
        if item.deflates { try #require(api.H5Pset_deflate(list, 1) >= 0) }
      }
      let dataset = api.H5Dopen2(file, "x", 0)
      defer { _ = api.H5Dclose(dataset) }
      let space = api.H5Dget_space(dataset)
      defer { _ = api.H5Sclose(space) }
      // One element near the end.
      let place = item.shape.map { hsize_t($0 - 2) }
      let one = item.shape.map { _ in hsize_t(1) }
      try #require(api.H5Sselect_hyperslab(space, H5S_SELECT_SET, place, nil, one, nil) >= 0)
      let memory = api.H5Screate_simple(Int32(one.count), one, nil)
      defer { _ = api.H5Sclose(memory) }
      var value: Float = 7
      try #require(api.H5Dwrite(dataset, api.IEEE_F32LE, memory, space, 0, &value) >= 0)
    }
    let file = try HDF5File(path: path, reading: .inProcess)
    let values = try #require(try file.root.dataset("x")).values()
    let place = item.shape.reduce(0) { $0 * $1 + $1 - 2 }
    #expect(values.firstIndex { $0 != 0 } == place)
    #expect(values.reduce(0, +) == 7)
  }

  @Test("chunks over the edge that are stored without filters")
  func bareEdges() throws {
    let path = folder.file("x.h5")
    typealias SetOptions = @convention(c) (hid_t, UInt32) -> herr_t
    let setOptions = try RawLibrary.function("H5Pset_chunk_opts", as: SetOptions.self)
    let values = (0..<35).map { Float($0) }
    try RawLibrary.create(path, newest: true) { api, file in
      try RawLibrary.dataset(api, file, "x", shape: [5, 7], chunk: [2, 3], values) { list in
        try #require(api.H5Pset_deflate(list, 4) >= 0)
        try #require(setOptions(list, 2) >= 0)
      }
    }
    let file = try HDF5File(path: path, reading: .inProcess)
    #expect(try #require(try file.root.dataset("x")).values() == values.map(Double.init))
  }

  @Test("47: the n-bit filter")
  func nBit() throws {
    let path = folder.file("x.h5")
    typealias SetFilter = @convention(c) (hid_t) -> herr_t
    let setFilter = try RawLibrary.function("H5Pset_nbit", as: SetFilter.self)
    try RawLibrary.create(path, newest: false) { api, file in
      try RawLibrary.dataset(api, file, "x", shape: [8], chunk: [4], nil) { list in
        try #require(setFilter(list) >= 0)
      }
    }
    let file = try HDF5File(path: path, reading: .inProcess)
    let dataset = try #require(try file.root.dataset("x"))
    #expect(dataset.unsupported == "the filter 5 (nbit)")
  }
}
