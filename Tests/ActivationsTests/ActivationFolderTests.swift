import Activations
import Adapters
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Folders of files of activations that count as one (Activations §4).
@Suite struct ActivationFolderTests {
  private let folder = TemporaryFolder()
  private static let map = #"{"q": "x", "v": "x", "up": "y"}"#

  /// The matrices of some rows, `x` of 3 features and `y` of 2.
  private func tensors(_ rows: Range<Int>, features: Int = 3, dtype: DType = .f16) -> [TestTensor] {
    func matrix(_ name: TensorName, _ columns: Int, _ dtype: DType) -> TestTensor {
      TestTensor(
        name, [rows.count, columns], dtype: dtype,
        values: rows.flatMap { row in (0..<columns).map { Double(row * columns + $0) } })
    }
    return [matrix("x", features, dtype), matrix("y", 2, .f32)]
  }

  @discardableResult
  private func write(
    _ name: String, _ tensors: [TestTensor], map: String = ActivationFolderTests.map
  ) throws -> String {
    try folder.write(
      tensors: tensors, metadata: [("inputs", map), ("of", name)], to: "set/\(name)")
  }

  @Test("rows follow one another in the order of the names' bytes")
  func joins() throws {
    let path = folder.folder("set")
    // By bytes: B < a < é.
    try write("a", tensors(2..<4))
    try write("B", tensors(0..<2))
    try write("é", tensors(4..<9))
    try write("b", tensors(4..<4))
    try folder.write(text: "x", to: "set/.hidden")
    let file = try ActivationFile(path: path)
    #expect(file.tokens == 9)
    #expect(file.label == path)
    #expect(file.files.map(Paths.name(of:)) == ["B", "a", "b", "é"])
    #expect(file.format == "a folder of 4 files of activations")
    #expect(file.metadata.map(\.value) == ["B"])
    #expect(file.inputs.map(\.block) == ["q", "up", "v"])
    for (name, columns) in [(TensorName("x"), 3), ("y", 2)] {
      let index = try #require(file.matrices.index(of: name))
      #expect(file.matrices.tensors[index].shape == [9, columns])
      #expect(try file.matrices.float64(of: index) == (0..<(9 * columns)).map(Double.init))
      // Any piece, across the borders.
      let bytes = try file.matrices.bytes(of: index)
      for start in stride(from: 0, to: bytes.count, by: 5) {
        for end in stride(from: start, through: bytes.count, by: 7) {
          #expect(
            try file.matrices.bytes(of: index, range: start..<end) == Array(bytes[start..<end]))
        }
      }
    }
  }

  @Test("files in both formats go together, and are written as one")
  func formats() throws {
    let path = folder.folder("set")
    try write("1", tensors(0..<3))
    let other = try folder.write(
      tensors: tensors(3..<5), metadata: [("inputs", ActivationFolderTests.map)], to: "other")
    try ActivationFile(path: other).write(to: path + "/2.h5", .hdf5, replacing: false)
    let whole = folder.file("whole")
    try ActivationFile(path: path).write(to: whole, .safetensors, replacing: false)
    let file = try ActivationFile(path: whole)
    #expect(file.files == [whole])
    let index = try #require(file.matrices.index(of: "x"))
    #expect(try file.matrices.float64(of: index) == (0..<15).map(Double.init))
  }

  private func expect(
    _ name: String, _ reason: ActivationError.Reason,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: ActivationError.self, sourceLocation: sourceLocation) {
      try ActivationFile(path: folder.file("set"))
    }
    #expect(error?.reason == reason, sourceLocation: sourceLocation)
    #expect(error?.path == folder.file(name), sourceLocation: sourceLocation)
    #expect(error?.rule == "Activations §4", sourceLocation: sourceLocation)
  }

  @Test("a file of other inputs is named, and how they differ")
  func differences() throws {
    _ = folder.folder("set")
    try write("1", tensors(0..<3))
    func refused(
      _ tensors: [TestTensor], map: String = ActivationFolderTests.map, _ difference: String,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      try write("2", tensors, map: map)
      expect("set/2", .otherInputs(than: "1", difference), sourceLocation: sourceLocation)
    }
    try refused(
      tensors(0..<3, features: 4), "tensor 'x': found 4 features, expected 3")
    try refused(tensors(0..<3, dtype: .f32), "tensor 'x': found F32, expected F16")
    try refused([tensors(0..<3)[0]], map: #"{"q": "x"}"#, "no tensor 'y'")
    try refused(
      tensors(0..<3) + [TestTensor("z", [3, 1])],
      map: #"{"q": "x", "v": "x", "up": "y", "z": "z"}"#, "a tensor 'z' that is not there")
    try refused(tensors(0..<3), map: #"{"q": "x", "up": "y"}"#, "no block 'v'")
    try refused(
      tensors(0..<3), map: #"{"q": "x", "v": "y", "up": "y"}"#,
      "block 'v': found the input 'y', expected 'x'")
    try refused(
      tensors(0..<3), map: #"{"q": "x", "v": "x", "up": "y", "w": "y"}"#,
      "a block 'w' that is not there")
    // As many tokens in all matrices of each file.
    try write("2", [tensors(0..<3)[0], tensors(0..<2)[1]])
    let error = #expect(throws: ActivationError.self) {
      try ActivationFile(path: folder.file("set"))
    }
    #expect(error?.path == folder.file("set/2"))
  }

  @Test("folders without files, and of what is no file of activations, are refused")
  func others() throws {
    _ = folder.folder("set")
    expect("set", .noFiles)
    try folder.write(text: "x", to: "set/.hidden")
    expect("set", .noFiles)
    _ = folder.folder("set/deep")
    expect("set/deep", .notActivations)
  }
}
