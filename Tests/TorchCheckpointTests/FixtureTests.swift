import ByteIO
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

/// The published checkpoints among the fixtures, against norms that NumPy computed.
struct FixtureTests {
  private static let folders: [String] =
    ["bs", "is", "ms"].map { "minilm/\($0)" }
    + [
      "bs-all", "bs-pre1", "bs-stacked", "is-basic", "is-layer-order", "is-root-none",
      "is-shape-break", "is-stacked", "lmops-zero", "lmops-zero-ms", "ms-all", "ms-pre0", "ms-pre2",
      "ms-stacked", "plain",
    ].map { "synthetic/\($0)" }

  private static func open(_ folder: String) throws -> TorchCheckpoint {
    let adapter = folder.hasPrefix("minilm") ? folder : "\(folder)/adapter"
    return try TorchCheckpoint(path: TestFiles.fixture("\(adapter)/pytorch_model_lora.bin"))
  }

  @Test("No fixture is left out")
  func all() throws {
    let synthetic = try Paths.entries(of: TestFiles.fixture("synthetic")).filter {
      try Paths.kind(of: TestFiles.fixture("synthetic/\($0)/adapter/pytorch_model_lora.bin"))
        == .file
    }
    #expect(synthetic.map { "synthetic/\($0)" } == Array(FixtureTests.folders.dropFirst(3)))
  }

  @Test("Every block has the norms, rank and sizes that were expected", arguments: folders)
  func norms(folder: String) throws {
    let source = try FixtureTests.open(folder)
    #expect(source.warnings == [])
    #expect(source.ignoredKeys == [])
    let expected = try TestFiles.json(TestFiles.fixture("\(folder)/expected.json"))
    let blocks = try #require(expected.object?["blocks"]?.object)
    var used = 0
    for (module, block) in blocks.members {
      let block = try #require(block.object)
      for (factor, norm) in [("lora_A", "norm_a"), ("lora_B", "norm_b")] {
        let pairs = try FixtureTests.matrices(of: source, module: module, factor: factor)
        used += pairs.count
        let stacked =
          factor == "lora_A" ? Matrix.stackedRows(pairs) : Matrix.stackedColumns(pairs)
        let rank = block["rank"]?.number?.integer
        #expect((factor == "lora_A" ? stacked.rows : stacked.columns) == rank)
        let width = block[factor == "lora_A" ? "in" : "out"]?.number?.integer
        #expect((factor == "lora_A" ? stacked.columns : stacked.rows) == width)
        let value = try #require(block[norm]?.number?.double)
        #expect(abs(stacked.frobeniusNorm - value) <= 1e-12 * value, "\(module) \(factor)")
      }
    }
    #expect(used == source.tensors.count)
  }

  private static func matrices(
    of source: TorchCheckpoint, module: String, factor: String
  ) throws -> [Matrix] {
    var matrices: [Matrix] = []
    while let index = source.index(of: TensorName("\(module).loras.\(matrices.count).\(factor)")) {
      let shape = source.tensors[index].shape
      try #require(shape.count == 2)
      matrices.append(
        Matrix(rows: shape[0], columns: shape[1], values: try source.float64(of: index)))
    }
    return matrices
  }

  @Test(
    "Halves, bfloat16, doubles",
    arguments: [("ms-pre2", .f16), ("bs-pre1", .bf16), ("bs-all", .f64), ("is-basic", .f32)]
      as [(String, DType)])
  func dtypes(folder: String, dtype: DType) throws {
    let source = try FixtureTests.open("synthetic/\(folder)")
    #expect(source.tensors.allSatisfy { $0.dtype == dtype })
  }

  @Test("All fixtures are torch archives by content")
  func format() throws {
    for folder in FixtureTests.folders {
      #expect(try TorchCheckpoint.isTorchArchive(path: FixtureTests.open(folder).label))
    }
    let base = TestFiles.fixture("synthetic/plain/base.safetensors")
    #expect(try TorchFileFormat.of(base) == nil)
  }
}
