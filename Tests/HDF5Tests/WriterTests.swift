import ByteIO
import Foundation
import HDF5
import Tensors
import TestSupport
import Testing

/// Files as the writer makes them (Adapter in HDF5 §1).
@Suite struct WriterTests {
  private let folder = TemporaryFolder()

  private static let attributes: [HDF5Attribute] = [
    HDF5Attribute(name: "double", value: .double(-0.0)),
    HDF5Attribute(name: "doubles", value: .doubles([.pi, .infinity])),
    HDF5Attribute(name: "empty", value: .string("")),
    HDF5Attribute(name: "integer", value: .integer(.min)),
    HDF5Attribute(name: "integers", value: .integers([1, -2])),
    HDF5Attribute(name: "long", value: .string(String(repeating: "é", count: 40_000))),
    HDF5Attribute(name: "no doubles", value: .doubles([])),
    HDF5Attribute(name: "string", value: .string("a\n\u{e9} e\u{301} ")),
    HDF5Attribute(name: "e\u{301}/../\u{1b}", value: .integer(1)),
    HDF5Attribute(name: "\u{e9}/../\u{1b}", value: .integer(2)),
  ]

  /// A file with some of everything.
  private func write(_ name: String, threads: Int = 1) throws -> String {
    let path = folder.file(name)
    let source = try MemoryTensorSource.random([("x", .f16, [3000, 500])])
    try HDF5Writer.write(to: path, replacing: true, threads: threads) { root in
      for attribute in WriterTests.attributes {
        try root.attribute(attribute.name, attribute.value)
      }
      for number in 0..<60 {
        try root.group("group \(number)") { group in
          try group.attribute("index", .integer(number))
          for inner in 0..<12 { try group.attribute("a\(inner)", .double(Double(inner))) }
          try group.group("inner") { inner in
            try inner.doubles("values", (0..<number).map(Double.init))
            try inner.doubles("more", (0..<1000).map(Double.init))
          }
        }
      }
      try root.text("text", "some text\n")
      try root.text("no text", "")
      try root.text("long text", String(repeating: "x", count: 100_000))
      try root.dataset("tensor", from: TensorReference(source: source, index: 0))
    }
    return path
  }

  @Test("attributes, strings, groups", arguments: ValueTests.readings)
  func content(_ reading: HDF5Reading) throws {
    let file = try HDF5File(path: write("x.h5"), reading: reading)
    let expected = WriterTests.attributes.sorted {
      $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
    }
    #expect(file.root.attributes == expected)
    #expect(file.root.links.count == 64)
    for (name, text) in [("text", "some text\n"), ("no text", "")] {
      #expect(try file.root.dataset(name)?.text(limit: 100) == text)
    }
    #expect(try file.root.dataset("no text")?.elementType == .string(size: 1, padding: .nullPadded))
    let inner = try #require(try file.root.group("group 7")?.group("inner"))
    #expect(inner.path == "/group 7/inner")
    #expect(try inner.dataset("values")?.doubles(limit: 9) == [0, 1, 2, 3, 4, 5, 6])
    #expect(try inner.dataset("more")?.doubles(limit: 1000) == (0..<1000).map(Double.init))
  }

  @Test("§1.6: the same bytes every time, for any number of threads")
  func deterministic() throws {
    let first = try ReadableFile.contents(of: write("a.h5"), limit: 1 << 26)
    // Nothing that carries a time may show.
    Thread.sleep(forTimeInterval: 1.1)
    for threads in [1, 2, 5] {
      #expect(
        try ReadableFile.contents(of: write("b.h5", threads: threads), limit: 1 << 26) == first)
    }
  }

  @Test("a file appears only when it is complete; an old one stays until then")
  func atomic() throws {
    struct Stop: Error {}
    let path = try folder.write([1, 2, 3], to: "x.h5")
    #expect(throws: FileError.exists(path: path)) {
      try HDF5Writer.write(to: path, replacing: false) { _ in }
    }
    #expect(throws: Stop.self) {
      try HDF5Writer.write(to: path, replacing: true) { root in
        try root.text("a", "b")
        throw Stop()
      }
    }
    #expect(folder.entries == ["x.h5"])
    #expect(try ReadableFile.contents(of: path, limit: 9) == [1, 2, 3])
    try HDF5Writer.write(to: path, replacing: true) { try $0.text("a", "b") }
    #expect(folder.entries == ["x.h5"])
    #expect(try HDF5File(path: path, reading: .inProcess).root.dataset("a")?.text(limit: 1) == "b")
  }

  @Test("names that are taken or can't be, and the wrong number of bytes")
  func refused() throws {
    let path = folder.file("x.h5")
    func refusal(_ body: @escaping (HDF5GroupWriter) throws -> Void) -> HDF5Error? {
      #expect(throws: HDF5Error.self) {
        try HDF5Writer.write(to: path, replacing: false) { try body($0) }
      }
    }
    for name in ["", ".", "a/b", "a\0b"] {
      #expect(refusal { try $0.text(name, "x") }?.object == .dataset("/\(name)"))
      #expect(refusal { try $0.group(name) { _ in } }?.object == .group("/\(name)"))
    }
    #expect(refusal { try $0.attribute("a\0b", .integer(1)) }?.failureKind == .resource)
    let taken = refusal { root in
      try root.text("a", "b")
      try root.doubles("a", [1])
    }
    #expect(taken?.object == .dataset("/a"))
    let few = refusal { root in
      try root.dataset("a", dtype: .f32, shape: [2]) { dataset in
        try [UInt8](repeating: 0, count: 7).withUnsafeBytes { try dataset.append($0) }
      }
    }
    #expect(
      few?.description == "\(path): dataset '/a': can't write it: fewer bytes than its shape says "
        + "(found 7, expected 8)")
    let many = refusal { root in
      try root.dataset("a", dtype: .f32, shape: [2]) { dataset in
        try [UInt8](repeating: 0, count: 9).withUnsafeBytes { try dataset.append($0) }
      }
    }
    #expect(
      many?.reason
        == .writing(
          operation: "write it", text: "more bytes than its shape says (expected 8)"))
    #expect(folder.entries == [])
  }

  @Test("a tensor that follows bytes which do not end at a chunk")
  func mixed() throws {
    let source = try MemoryTensorSource.random([("x", .f32, [700, 900])])
    let bytes = try source.bytes(of: 0)
    let path = folder.file("x.h5")
    try HDF5Writer.write(to: path, replacing: false, threads: 2) { root in
      try root.dataset("x", dtype: .f32, shape: [1001, 900]) { dataset in
        try bytes.prefix(301 * 3600).withUnsafeBytes { try dataset.append($0) }
        try dataset.append(TensorReference(source: source, index: 0))
      }
    }
    let dataset = try #require(try HDF5File(path: path, reading: .inProcess).root.dataset("x"))
    #expect(try dataset.bytes(inPiecesOf: 1 << 20) == bytes.prefix(301 * 3600) + bytes)
  }

  @Test(
    "§1.4: names as links",
    arguments: [
      ("plain", "plain"), (".", "%2E"), ("..", "%2E%2E"), ("...", "..."), ("a/b", "a%2Fb"),
      ("100%", "100%25"), ("%2F", "%252F"), ("/", "%2F"), ("é.x", "é.x"),
    ])
  func links(_ name: String, _ link: String) {
    #expect(HDF5LinkName.link(for: name) == link)
    #expect(HDF5LinkName.name(of: link) == name)
  }

  @Test("§1.4: links that are no names", arguments: ["%", "a%2", "%g0", "%2 ", "%ff", "%é"])
  func badLinks(_ link: String) { #expect(HDF5LinkName.name(of: link) == nil) }

  @Test("§1.4: any escaped byte is taken, in either case")
  func escapes() { #expect(HDF5LinkName.name(of: "%61%2f%C3%a9") == "a/é") }

  @Test(
    "h5dump and h5ls show what was written",
    .enabled(if: Program.isInstalled("h5dump"), "no h5dump"))
  func tools() throws {
    let path = try write("x.h5")
    let listing = try Shell.run("h5ls", "-r", path)
    #expect(listing.contains("/tensor                  Dataset {3000, 500}"))
    #expect(listing.contains("/group\\ 7/inner/more     Dataset {1000}"))
    let header = try Shell.run("h5dump", "-H", "-p", "-d", "/tensor", path)
    for part in [
      "16-bit little-endian floating-point", "CHUNKED ( 1048, 500 )", "PREPROCESSING SHUFFLE",
      "COMPRESSION DEFLATE { LEVEL 4 }",
    ] {
      #expect(header.contains(part), "\(part)")
    }
    #expect(try Shell.run("h5dump", "-d", "/text", path).contains("H5T_STR_NULLPAD"))
    #expect(try Shell.run("h5dump", "-d", "/group 7/inner/values", path).contains("(0): 0, 1, 2"))
    let shown = try Shell.run("h5dump", "-d", "/tensor", "-s", "2999,497", "-c", "1,3", path)
    let source = try MemoryTensorSource.random([("x", .f16, [3000, 500])])
    let last = try #require(try source.float64(of: 0).last)
    let words = shown.split { $0 == "," || $0.isWhitespace }.compactMap { Double($0) }
    let number = try #require(words.last)
    #expect(agree(number, last, to: 1e-4))
  }
}

/// Programs of the system.
private enum Shell {
  static func run(_ arguments: String...) throws -> String {
    let outcome = try Program("/usr/bin/env", arguments).wait()
    try #require(outcome.status == 0, "\(outcome.error)")
    return outcome.output
  }
}
