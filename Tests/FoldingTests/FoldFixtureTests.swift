import Adapters
import ByteIO
import Folding
import Merging
import Safetensors
import Tensors
import TestSupport
import Testing

/// Folds of every fixture against weights that the generator folded in float64 and rounded once.
@Suite struct FoldFixtureTests {
  private func fold(
    _ fixture: FixtureCase, _ method: String, to path: String, threads: Int = 2, dtype: DType? = nil
  ) throws -> FoldReport {
    let root = try fixture.expected()["root"]?.string.flatMap(RootRule.init(rawValue:))
    let adapter = try Adapter(
      path: fixture.adapterPath,
      overrides: AdapterOverrides(
        root: root, windows: try fixture.windowsPath.map { try WindowsFile(path: $0) }))
    let base = try SafetensorsFile(path: fixture.basePath)
    let lora = try Merge(method: method, inputs: MergeInputs(base: base)).run(adapter).lora
    let plan = try FoldPlan(base: base, lora: lora, dtype: dtype, allowingUnmatched: false)
    let layout =
      dtype == nil
      ? SafetensorsLayout(preserving: base.header)
      : SafetensorsLayout(ordered: plan.tensors, metadata: base.header.metadata)
    let writer = try SafetensorsWriter(path: path, layout: layout, replacing: true)
    let report = try Fold(threads: threads).run(plan, into: writer)
    try writer.commit()
    return report
  }

  @Test("folded weights are the float64 result rounded once", arguments: FixtureCase.synthetic)
  func weights(_ fixture: FixtureCase) throws {
    let folder = TemporaryFolder()
    let base = try SafetensorsFile(path: fixture.basePath)
    let deltas = try SafetensorsFile(path: fixture.path("deltas.safetensors"))
    for (method, blocks) in try fixture.results("methods") {
      let output = folder.file("\(method).safetensors")
      let report = try fold(fixture, method, to: output)
      #expect(report.tensorsChanged == blocks.members.count)
      let found = try SafetensorsFile(path: output)
      let expected = try SafetensorsFile(path: fixture.path("folded-\(method).safetensors"))
      #expect(found.header.text == base.header.text, "names, order, dtypes and metadata stay")
      for (index, info) in base.tensors.enumerated() {
        let wanted = try expected.bytes(of: try #require(expected.index(of: info.name)))
        let bytes = try found.bytes(of: index)
        let block = TensorName("\(method)/\(info.name.string.dropLast(".weight".count))")
        guard let delta = deltas.index(of: block) else {
          #expect(bytes == wanted, "\(info.name) has no block")
          continue
        }
        let sums = zip(try base.float64(of: index), try deltas.float64(of: delta)).map { $0 + $1 }
        let generated = wanted.withUnsafeBytes { Conversion.float64(from: $0, dtype: info.dtype) }
        for ((stored, generated), sum) in zip(zip(try found.float64(of: index), generated), sums) {
          #expect(
            stored == generated || isNearestRounding(stored, of: sum, info.dtype),
            "\(method) \(info.name): \(stored), not \(generated) for \(sum)")
        }
      }
    }
  }

  /// Whether a stored value is a rounding of a sum, given the error of the sum itself: where float64
  /// (or for 16-bit weights float32) sums of another order fall on the other side of the middle
  /// between two values, both are right.
  private func isNearestRounding(_ stored: Double, of sum: Double, _ dtype: DType) -> Bool {
    // Terms are below 10 in these fixtures, and ranks below 10.
    let (bits, smallest, sumError): (Int, Int, Double) =
      switch dtype {
      case .f64: (52, -1074, 0x1p-48)
      case .f32: (23, -149, 0x1p-48)
      case .f16: (10, -24, 0x1p-19)
      default: (7, -133, 0x1p-19)
      }
    let exponent = max(sum == 0 ? smallest : Int(sum.exponent) - bits, smallest)
    let half = Double(sign: .plus, exponent: exponent, significand: 1) / 2
    return abs(stored - sum) <= half + sumError
  }

  @Test("the output has the same bytes for every number of threads", arguments: FixtureCase.all)
  func threads(_ fixture: FixtureCase) throws {
    let folder = TemporaryFolder()
    let method = try #require(try fixture.results("methods").last?.method)
    let outputs = try [1, 2, 5].map { threads in
      let path = folder.file("\(threads).safetensors")
      _ = try fold(fixture, method, to: path, threads: threads)
      return try ReadableFile.contents(of: path, limit: 1 << 24)
    }
    #expect(outputs[0] == outputs[1])
    #expect(outputs[0] == outputs[2])
  }

  @Test("a change of dtype rounds the float64 sum once", arguments: [DType.f64, .f32, .bf16, .f16])
  func dtype(_ dtype: DType) throws {
    let fixture = FixtureCase("synthetic/ms-pre2")
    let folder = TemporaryFolder()
    let output = folder.file("out.safetensors")
    _ = try fold(fixture, "bw", to: output, dtype: dtype)
    let base = try SafetensorsFile(path: fixture.basePath)
    let found = try SafetensorsFile(path: output)
    let deltas = try SafetensorsFile(path: fixture.path("deltas.safetensors"))
    #expect(found.tensors.map(\.name) == base.tensors.map(\.name))
    for index in base.tensors.indices where base.tensors[index].dtype.isArithmetic {
      #expect(found.tensors[index].dtype == dtype)
      let name = base.tensors[index].name.string
      let weights = try base.float64(of: index)
      let block = TensorName("bw/\(name.dropLast(".weight".count))")
      let delta = try deltas.index(of: block).map { try deltas.float64(of: $0) }
      let sums = delta.map { zip(weights, $0).map { $0 + $1 } } ?? weights
      // bf16 into bf16 is the ordinary fold, whose float32 sums may round otherwise.
      if base.tensors[index].dtype == dtype { continue }
      let wanted = Conversion.bytes(from: sums, dtype: dtype)
      if dtype == .f64 {
        let values = try found.float64(of: index)
        #expect(zip(values, sums).allSatisfy { abs($0 - $1) <= 1e-14 * max(1, abs($1)) }, "\(name)")
      } else {
        #expect(try found.bytes(of: index) == wanted, "\(name)")
      }
    }
  }
}
