import FormatTestSupport
import HDF5
import Tensors
import TestSupport
import Testing

/// Every way in which libraries from 1.8 to 2.0 store a dataset (Adapter in HDF5 §1.5).
@Suite struct LayoutTests {
  static let files = ["layouts-earliest.h5", "layouts-v108.h5", "layouts-v110.h5"]

  @Test("layouts, filters, byte orders and chunk indexes", arguments: files)
  func layouts(_ name: String) throws {
    let file = try Fixture.open(name)
    let datasets = file.root.allDatasets
    #expect(datasets.count == 34)
    for dataset in datasets where dataset.path != "/shrunk" {
      let info = try dataset.info(name: "x")
      #expect(
        try dataset.values() == Fixture.ramp(info.elementCount), "\(dataset.path)")
      #expect(try dataset.values(threads: 3) == Fixture.ramp(info.elementCount))
      let whole = try dataset.bytes(inPiecesOf: max(1, info.byteCount))
      for size in [1, 3, 10, 64] {
        #expect(try dataset.bytes(inPiecesOf: size) == whole, "\(dataset.path)")
      }
    }
    let shrunk = try #require(try file.root.dataset("shrunk"))
    #expect(shrunk.shape == [3, 4])
    #expect(try shrunk.values() == Fixture.ramp(12))
  }

  @Test("element types", arguments: files)
  func types(_ name: String) throws {
    let order = try #require(try Fixture.open(name).root.group("order"))
    let types = order.links.map { link -> HDF5ElementType? in
      if case .dataset(let dataset) = link.object { dataset.elementType } else { nil }
    }
    #expect(
      types == [
        .float(.bf16, bigEndian: true), .float(.f16, bigEndian: true),
        .float(.f32, bigEndian: true), .float(.f64, bigEndian: true),
        .float(.bf16, bigEndian: false), .float(.f16, bigEndian: false),
        .float(.f32, bigEndian: false), .float(.f64, bigEndian: false),
      ])
  }

  @Test(
    "chunks that were never written, and filters left out",
    arguments: ["sparse-earliest.h5", "sparse-v110.h5"])
  func sparse(_ name: String) throws {
    let root = try Fixture.open(name).root
    func values(_ name: String) throws -> [Double] {
      try #require(try root.dataset(name)).values(threads: 2)
    }
    #expect(try values("never") == [Double](repeating: 0, count: 35))
    #expect(try values("never-chunked") == [Double](repeating: 0, count: 35))
    #expect(try values("filled") == [Double](repeating: 1.5, count: 35))
    #expect(try values("filled-chunked") == [Double](repeating: 1.5, count: 35))
    #expect(
      try values("some")
        == (0..<36).map { (2..<4).contains($0 / 6) && $0 % 6 >= 3 ? 7 : -2 })
    #expect(try values("masked") == Fixture.ramp(24))
    let filled = try #require(try root.dataset("filled-chunked"))
    #expect(try filled.bytes(inPiecesOf: 3) == filled.bytes(inPiecesOf: 140))
  }

  @Test(
    "45: a shape far beyond what is stored reads as the fill value",
    arguments: ["sparse-earliest.h5", "sparse-v110.h5"])
  func shapeBomb(_ name: String) throws {
    let huge = try #require(try Fixture.open(name).root.dataset("huge"))
    #expect(huge.shape == [1 << 20, 1 << 20])
    let middle = 4 * ((1 << 19) * (1 << 20) + (1 << 19))
    var bytes = [UInt8](repeating: 0xee, count: 12)
    try bytes.withUnsafeMutableBytes { try huge.read(at: middle - 4, into: $0) }
    #expect(bytes == [0, 0, 0, 0, 0, 0, 0xe0, 0x40, 0, 0, 0, 0])
    // Over the end of a row.
    var row = [UInt8](repeating: 0xee, count: 1 << 16)
    try row.withUnsafeMutableBytes { try huge.read(at: (4 << 20) - 4096, into: $0) }
    #expect(row.allSatisfy { $0 == 0 })
  }

  @Test("45: a tensor of elements that were never written", arguments: [16 << 20, (16 << 20) + 1])
  func neverWritten(_ count: Int) throws {
    let folder = TemporaryFolder()
    let path = folder.file("x.h5")
    try RawLibrary.create(path, newest: false) { api, file in
      try RawLibrary.dataset(api, file, "chunked", shape: [count], chunk: [1 << 20], nil)
      try RawLibrary.dataset(api, file, "piece", shape: [count], chunk: nil, nil)
    }
    let file = try HDF5File(path: path, reading: .inProcess)
    for name in ["chunked", "piece"] {
      let dataset = try #require(try file.root.dataset(name))
      guard 4 * count > 64 << 20 else {
        _ = try HDF5Tensors(file: file, datasets: [("x", dataset)])
        continue
      }
      let error = #expect(throws: HDF5Error.self) {
        try HDF5Tensors(file: file, datasets: [("x", dataset)])
      }
      #expect(error?.reason == .neverWritten(found: 4 * count, limit: 64 << 20))
      #expect(error?.object == .dataset("/\(name)"))
    }
  }
}
