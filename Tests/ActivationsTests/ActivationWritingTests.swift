import Activations
import ByteIO
import HDF5
import LoRATestSupport
import Safetensors
import Synchronization
import Tensors
import TestSupport
import Testing

/// Activations from one format into the other, and read in pieces (Activations §1).
@Suite struct ActivationWritingTests {
  private let test = TestActivations()

  /// Everything that a file says and holds.
  private struct Content: Equatable {
    var infos: [TensorName: [Int]] = [:]
    var dtypes: [TensorName: DType] = [:]
    var bytes: [TensorName: [UInt8]] = [:]
    var inputs: [TensorName: TensorName] = [:]
    var metadata: [String] = []

    init(_ path: String) throws {
      let file = try ActivationFile(path: path)
      for (index, info) in file.matrices.tensors.enumerated() {
        infos[info.name] = info.shape
        dtypes[info.name] = info.dtype
        bytes[info.name] = try file.matrices.bytes(of: index)
      }
      for (block, matrix) in file.inputs { inputs[block] = file.matrices.tensors[matrix].name }
      metadata = file.metadata.flatMap { [$0.key, $0.value] }
    }
  }

  /// Matrices whose bytes tell every change, NaN payloads among them.
  private func varied() throws -> String {
    let source = try MemoryTensorSource.random([
      ("é/0 %", .f64, [6, 3]), ("..", .f32, [6, 1]), ("h", .f16, [6, 4]), ("b", .bf16, [6, 5]),
    ])
    let path = test.folder.file("varied")
    let map =
      #"{"l.0/q%": "..", "l.1": "é/0 %", "l.2": "h", "l.3": "b", "e\#u{301}": "h", "\#u{e9}": "h"}"#
    try SafetensorsWriter.write(
      source, metadata: [("inputs", map), ("a", ""), ("é", "ü\n\"")], to: path, replacing: true)
    return path
  }

  @Test("safetensors to HDF5 and back keeps all, to the bit")
  func roundTrip() throws {
    let path = try varied()
    let expected = try Content(path)
    #expect(expected.inputs.count == 6)
    #expect(expected.metadata == ["a", "", "é", "ü\n\""])
    let (there, back) = (test.folder.file("there"), test.folder.file("back"))
    try ActivationFile(path: path).write(to: there, .hdf5, replacing: false, threads: 2)
    #expect(try ActivationFile(path: there).format == "activations in HDF5")
    #expect(try Content(there) == expected)
    #expect(try TestActivations.violations(there) == [])
    try ActivationFile(path: there).write(to: back, .safetensors, replacing: false)
    #expect(try Content(back) == expected)
    // A file that came from here once is given back to the byte.
    let (again, third) = (test.folder.file("again"), test.folder.file("third"))
    try ActivationFile(path: back).write(to: again, .hdf5, replacing: false)
    #expect(
      try ReadableFile.contents(of: again, limit: 1 << 20)
        == ReadableFile.contents(of: there, limit: 1 << 20))
    try ActivationFile(path: again).write(to: third, .safetensors, replacing: false)
    #expect(
      try ReadableFile.contents(of: third, limit: 1 << 20)
        == ReadableFile.contents(of: back, limit: 1 << 20))
  }

  @Test(
    "numbers that are not finite are kept, to the bit", arguments: [DType.f64, .f32, .f16, .bf16])
  func nonFinite(_ dtype: DType) throws {
    let values = [.nan, .infinity, -.infinity, -0.0, 1, -.nan]
    let path = try test.safetensors(
      [TestTensor("x", [3, 2], dtype: dtype, values: values)], inputs: #"{"q": "x"}"#)
    let other = test.folder.file("other")
    try ActivationFile(path: path).write(to: other, .hdf5, replacing: false)
    #expect(try Content(other) == Content(path))
    let read = try ActivationFile(path: other).matrices.float64(of: 0)
    #expect(read[0].isNaN && read[5].isNaN)
    #expect(read[1...4].map(\.bitPattern) == values[1...4].map(\.bitPattern))
  }

  @Test("no token at all, in both formats")
  func empty() throws {
    let path = try test.safetensors(
      [TestTensor("a", [0, 2]), TestTensor("b", [0, 70_000], dtype: .bf16)],
      inputs: #"{"q": "a", "v": "b"}"#)
    let (there, back) = (test.folder.file("there"), test.folder.file("back"))
    try ActivationFile(path: path).write(to: there, .hdf5, replacing: false)
    try ActivationFile(path: there).write(to: back, .safetensors, replacing: false)
    #expect(try Content(there) == Content(path))
    #expect(try Content(back) == Content(path))
  }

  @Test("metadata that would change what a safetensors file is", arguments: ["inputs", "reslora"])
  func reserved(_ key: String) throws {
    let path = try test.hdf5(["/metadata/\(key)": .text("x")])
    let file = try ActivationFile(path: path)
    let target = test.folder.file("out")
    let error = #expect(throws: ActivationError.self) {
      try file.write(to: target, .safetensors, replacing: false)
    }
    #expect(error?.reason == .takenMetadata(key: key))
    #expect(error?.failureKind == .usage)
    #expect(error?.rule == "Activations §2")
    #expect(test.folder.entries == ["activations.bin"])
    try file.write(to: target, .hdf5, replacing: false)
    #expect(try Content(target) == Content(path))
  }

  @Test("a matrix named as a safetensors file names its metadata can't be written into one")
  func reservedName() throws {
    let path = try test.hdf5([
      "/inputs/layer 1": nil, "/inputs/__metadata__": .tensor(.dataset([5, 2])),
      "/blocks/up@input": .attribute(.string("__metadata__")),
    ])
    let file = try ActivationFile(path: path)
    let error = #expect(throws: SafetensorsError.self) {
      try file.write(to: test.folder.file("out"), .safetensors, replacing: false)
    }
    #expect(error?.reason == .reservedName)
    #expect(error?.tensor == "__metadata__")
    #expect(test.folder.entries == ["activations.bin"])
  }

  @Test("a file that is there is replaced only on request", arguments: [true, false])
  func existing(_ isHDF5: Bool) throws {
    let file = try ActivationFile(path: varied())
    let target = try test.folder.write([1], to: "out")
    let format: ActivationFile.OutputFormat = isHDF5 ? .hdf5 : .safetensors
    #expect(throws: FileError.exists(path: target)) {
      try file.write(to: target, format, replacing: false)
    }
    #expect(try ReadableFile.contents(of: target, limit: 9) == [1])
    try file.write(to: target, format, replacing: true)
    #expect(try Content(target) == Content(file.label))
  }

  /// 70,000 tokens of 40 features, where element (row, column) is row · 40 + column, or its
  /// remainder for narrow types.
  private static func element(_ row: Int, _ column: Int) -> Double {
    Double((row * 40 + column) % 2039)
  }

  @Test("many tokens, in several chunks: any range of rows, any number of threads")
  func large() throws {
    let (rows, columns) = (70_000, 40)
    let values = (0..<(rows * columns)).map { Self.element($0 / columns, $0 % columns) }
    let path = try test.safetensors(
      [TestTensor("x", [rows, columns], dtype: .f16, values: values)], inputs: #"{"q": "x"}"#)
    let there = test.folder.file("there")
    let calls = Mutex<[Int]>([])
    try ActivationFile(path: path).write(to: there, .hdf5, replacing: false, threads: 2) {
      done, total in
      #expect(total == rows * columns * 2)
      calls.withLock { $0.append(done) }
    }
    #expect(calls.withLock { $0 } == calls.withLock { $0.sorted() })
    for file in [path, there] {
      let matrices = try ActivationFile(path: file).matrices
      let width = columns * 2
      // Rows in pieces; chunks of the HDF5 file are of 13,107 rows.
      for range in [0..<1, 13_106..<13_108, 26_000..<40_000, 69_999..<70_000, 5..<5] {
        let bytes = try matrices.bytes(
          of: 0, range: (range.lowerBound * width)..<(range.upperBound * width))
        let found = bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: .f16) }
        #expect(found == Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)]))
      }
      var whole: [Double] = []
      for start in stride(from: 0, to: rows, by: 999) {
        let end = min(rows, start + 999)
        let bytes = try matrices.bytes(of: 0, range: (start * width)..<(end * width))
        whole += bytes.withUnsafeBytes { Conversion.float64(from: $0, dtype: .f16) }
      }
      #expect(whole == values)
    }
    let again = test.folder.file("again")
    try ActivationFile(path: path).write(to: again, .hdf5, replacing: false, threads: 1)
    #expect(
      try ReadableFile.contents(of: again, limit: 1 << 26)
        == ReadableFile.contents(of: there, limit: 1 << 26))
  }

  @Test("an error of the progress stops the work and leaves nothing", arguments: [true, false])
  func stopped(_ isHDF5: Bool) throws {
    struct Stop: Error {}
    let file = try ActivationFile(path: varied())
    #expect(throws: Stop.self) {
      try file.write(
        to: test.folder.file("out"), isHDF5 ? .hdf5 : .safetensors, replacing: false
      ) { _, _ in throw Stop() }
    }
    #expect(test.folder.entries == ["varied"])
  }
}
