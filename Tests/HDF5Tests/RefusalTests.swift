import ByteIO
import CHDF5
import FormatTestSupport
import HDF5
import Tensors
import TestSupport
import Testing

/// What is refused, by the numbers of the project's list of bad inputs.
@Suite struct RefusalTests {
  private let folder = TemporaryFolder()

  /// What stands in the way of reading each object of `refused.h5`.
  private static let objects: [(number: Int, name: String, kind: String)] = [
    (41, "external", "an external link"),
    (42, "soft", "a soft link"),
    (42, "soft group", "a soft link"),
    (42, "dangling", "a soft link"),
    (43, "external storage", "a dataset whose data lie in another file"),
    (44, "virtual", "a virtual dataset"),
    (46, "lzf", "the filter 32000 (lzf)"),
    (47, "scale-offset", "the filter 6 (scaleoffset)"),
    (50, "compound", "a compound type"),
    (50, "ragged", "variable-length data"),
    (50, "reference", "references"),
    (50, "enumeration", "an enumeration"),
    (50, "opaque", "opaque data"),
    (50, "integers", "integers of 8 bytes"),
    (50, "long double", "a floating-point type of 16 bytes"),
    (50, "null", "a dataset without a shape"),
    (50, "named type", "a named datatype"),
  ]

  @Test("41-50: objects that are listed and never read", arguments: [false, true])
  func objects(_ isolated: Bool) throws {
    let file = try Fixture.open("refused.h5", reading: isolated ? Worker.reading : .inProcess)
    for (_, name, kind) in RefusalTests.objects {
      let error = #expect(throws: HDF5Error.self) {
        let dataset = try #require(try file.root.dataset(name))
        _ = try HDF5Tensors(file: file, datasets: [("x", dataset)])
      }
      #expect(error?.object == .dataset("/\(name)"))
      #expect(error?.reason == .unsupported(kind), "\(name)")
      #expect(
        error?.description
          == "\(Fixture.path("refused.h5")): dataset '/\(name)': is not supported: \(kind)")
    }
  }

  @Test("42: a soft link in the middle of a path leads nowhere")
  func softGroup() throws {
    let root = try Fixture.open("refused.h5").root
    #expect(
      throws: HDF5Error(
        path: Fixture.path("refused.h5"), object: .group("/soft group"),
        reason: .unsupported("a soft link"))
    ) { try root.group("soft group") }
  }

  @Test("49: a second hard link, a circle of them")
  func hardLinks() throws {
    let root = try Fixture.open("refused.h5").root
    let second = "a second link to an object that has another one"
    func kind(_ link: HDF5Link?) -> String? {
      if case .other(let kind) = link?.object { kind } else { nil }
    }
    // The one that comes first by its bytes is the object.
    #expect(kind(root.link("data")) == second)
    #expect(kind(root.link("again")) == nil)
    let inner = try #require(try root.group("inner"))
    #expect(kind(inner.link("self")) == second)
    #expect(kind(inner.link("up")) == second)
    #expect(try #require(try inner.dataset("data")).values() == Fixture.ramp(4))
  }

  @Test("an object of another kind than the place needs")
  func kinds() throws {
    let root = try Fixture.open("refused.h5").root
    #expect(
      throws: HDF5Error(
        path: Fixture.path("refused.h5"), object: .dataset("/inner"),
        reason: .wrongKind(found: "a group", expected: "a dataset"))
    ) { try root.dataset("inner") }
    #expect(
      throws: HDF5Error(
        path: Fixture.path("refused.h5"), object: .group("/again"),
        reason: .wrongKind(found: "a dataset", expected: "a group"))
    ) { try root.group("again") }
    #expect(try root.group("nothing") == nil)
    #expect(try root.dataset("nothing") == nil)
  }

  @Test("a user block, and files of other formats")
  func wholeFiles() throws {
    #expect(
      throws: HDF5Error(path: Fixture.path("user-block.h5"), reason: .notHDF5)
    ) { try Fixture.open("user-block.h5") }
    let path = try folder.write(Array("safetensors?".utf8), to: "x")
    let error = #expect(throws: HDF5Error.self) { try HDF5File(path: path, reading: .inProcess) }
    #expect(
      error?.description
        == "\(path): not an HDF5 file: it does not begin with the signature of HDF5")
    #expect(!HDF5File.isHDF5(prefix: []))
    #expect(
      HDF5File.isHDF5(prefix: Array("\u{89}HDF\r\n\u{1a}\n".unicodeScalars.map { UInt8($0.value) }))
    )
  }

  @Test("52: more attributes than anyone reads are refused quickly")
  func attributes() throws {
    let path = folder.file("x.h5")
    try RawLibrary.create(path, newest: true) { api, file in
      let space = api.H5Screate(H5S_SCALAR)
      defer { _ = api.H5Sclose(space) }
      for number in 0..<100_001 {
        let attribute = api.H5Acreate2(file, "\(number)", api.STD_I64LE, space, 0, 0)
        try #require(api.H5Aclose(attribute) >= 0)
      }
    }
    let start = ContinuousClock.now
    #expect(
      throws: HDF5Error(
        path: path, object: .object("/"), reason: .tooMany(what: "attributes", limit: 100_000))
    ) { try HDF5File(path: path, reading: Worker.reading) }
    #expect(ContinuousClock.now - start < .seconds(5))
  }

  @Test("groups inside each other beyond the limit")
  func depth() throws {
    func write(_ count: Int) throws -> String {
      let path = folder.file("\(count).h5")
      try HDF5Writer.write(to: path, replacing: false) { root in
        func fill(_ group: HDF5GroupWriter, _ rest: Int) throws {
          if rest > 0 { try group.group("g") { try fill($0, rest - 1) } }
        }
        // The writer reads back, with the same limit.
        try fill(root, count)
      }
      return path
    }
    _ = try HDF5File(path: write(16), reading: Worker.reading)
    let error = #expect(throws: HDF5Error.self) { try write(17) }
    #expect(error?.reason == .tooMany(what: "groups inside each other", limit: 16))
    #expect(
      error?.object == .group("/" + [String](repeating: "g", count: 17).joined(separator: "/")))
  }

  @Test(
    "53: a file cut at any 512 bytes is refused",
    arguments: ["layouts-earliest.h5", "layouts-v110.h5", "values.h5"])
  func cut(_ name: String) throws {
    let whole = try ReadableFile.contents(of: Fixture.path(name), limit: 1 << 20)
    for size in stride(from: 0, to: whole.count, by: 512) {
      let path = try folder.write(whole[..<size], to: "cut.h5")
      #expect(throws: HDF5Error.self) {
        let file = try HDF5File(path: path, reading: .inProcess)
        for dataset in file.root.allDatasets { _ = try dataset.values() }
      }
    }
  }

  @Test("a chunk that is damaged")
  func damagedChunk() throws {
    var bytes = try ReadableFile.contents(of: Fixture.path("layouts-earliest.h5"), limit: 1 << 20)
    // zlib streams of level 4 begin so.
    for position in bytes.indices.dropLast(6) where bytes[position...].starts(with: [0x78, 0x5e]) {
      bytes[position + 4] ^= 0xff
    }
    let path = try folder.write(bytes, to: "x.h5")
    let file = try HDF5File(path: path, reading: .inProcess)
    let error = #expect(throws: HDF5Error.self) {
      try file.root.dataset("gzip")?.values()
    }
    #expect(error?.object == .dataset("/gzip"))
    #expect(
      error?.description == "\(path): dataset '/gzip': chunk at [0, 0]: damaged zlib stream")
    let checked = #expect(throws: HDF5Error.self) { try file.root.dataset("all")?.values() }
    #expect(checked?.reason == .chunk(offset: [0, 0], "wrong checksum"))
  }
}
