import Activations
import Adapters
import ByteIO
import CLAPACK
import Foundation
import LinearAlgebra
import Replaying
import Safetensors
import Tensors

/// Arithmetic of calibration and replay beside OpenBLAS's own products: `benchmarks replay
/// [FEATURES] [TOKENS]`, 4,096 and 4,096 unless said otherwise.
///
/// A multiplication and an addition count as one operation each; a symmetric product counts half of
/// a full one. Reading, conversion from F16 and BF16, and sums are in the time of ours. The best of
/// three rounds, all cores.
enum ReplayBenchmark {
  @Sendable static func run(_ arguments: [String]) throws {
    let sizes = arguments.compactMap { Int($0) }
    let features = sizes.first ?? 4096
    let tokens = sizes.count > 1 ? sizes[1] : 4096
    let threads = Parallel.availableThreads
    try Measuring.inFolder(nil) { folder in
      let sample = try ReplaySample(folder, features: features, tokens: tokens)
      let (double, single) = products(features)
      print("\(features) features, \(tokens) tokens, \(threads) threads; GFLOP/s and ratio")
      line("OpenBLAS dgemm", double, double)
      let gram = try gram(sample, threads)
      line("Gram, F16 to float64", gram.sums, double)
      line("Cholesky, tiled", gram.cholesky, double)
      line("OpenBLAS sgemm", single, single)
      line("replay of outputs", try replay(sample, threads), single)
    }
  }

  private static func line(_ name: String, _ rate: Double, _ reference: Double) {
    Measuring.row(
      [name, Measuring.number(rate, 1), Measuring.number(rate / reference, 2)],
      widths: [22, 8, 6])
  }

  /// OpenBLAS with its own threads on square matrices.
  private static func products(_ size: Int) -> (double: Double, single: Double) {
    var library = CLAPACKLibrary()
    guard clapack_load(&library) else { fatalError("OpenBLAS is not there") }
    var n = rl_lapack_int(size)
    let operations = 2e-9 * Double(size) * Double(size) * Double(size)
    let (a, b) = (
      [Double](repeating: 0.5, count: size * size), [Float](repeating: 0.5, count: size * size)
    )
    var (c, d) = (a, b)
    var (one, zero, oneF, zeroF) = (1.0, 0.0, Float(1), Float(0))
    let double = Measuring.best(of: 3) {
      library.dgemm("N", "T", &n, &n, &n, &one, a, &n, a, &n, &zero, &c, &n)
    }
    let single = Measuring.best(of: 3) {
      library.sgemm("N", "T", &n, &n, &n, &oneF, b, &n, b, &n, &zeroF, &d, &n)
    }
    return (operations / double, operations / single)
  }

  private static func gram(
    _ sample: ReplaySample, _ threads: Int
  ) throws -> (sums: Double, cholesky: Double) {
    let inputs = try sample.inputs()
    let (features, tokens) = (sample.features, inputs.tokens)
    let rows = min(2048, max(64, (32 << 20) / (8 * features) / 64 * 64))
    let buffer = AlignedBuffer(byteCount: 8 * rows * features)
    let pair = try SymmetricPair(size: features)
    let work = try SymmetricPair(size: features)
    return try BLAS.withoutOwnThreads(on: threads) {
      let sums = try Measuring.best(of: 3) {
        for range in (0..<tokens).pieces(of: rows) {
          try inputs.float64(
            of: 0, rows: range, into: SharedTarget(buffer.elements()), threads: threads,
            allowsNonFinite: false)
          try pair.addProducts(
            of: MatrixView(UnsafePointer(buffer.elements(Double.self)), stride: features),
            count: range.count, to: .lower, threads: threads)
        }
      }
      let cholesky = try Measuring.best(of: 3) {
        try work.setLower(from: pair, subtracting: false, shift: 1e6, threads: threads)
        try work.factorise(threads: threads)
      }
      let size = Double(features)
      return (
        1e-9 * Double(tokens) * size * (size + 1) / sums, 1e-9 * size * size * size / 3 / cholesky
      )
    }
  }

  private static func replay(_ sample: ReplaySample, _ threads: Int) throws -> Double {
    let inputs = try sample.inputs()
    var replay = Replay(
      adapter: sample.adapter, inputs: inputs,
      base: try SafetensorsFile(path: sample.folder + "/base.safetensors"))
    replay.threads = threads
    let seconds = try Measuring.best(of: 3) {
      _ = try replay.run([ReplayCandidate(name: "none", lora: sample, of: sample.adapter)])
    }
    let size = Double(sample.features)
    return 2e-9 * Double(inputs.tokens) * size * size * Double(sample.blocks.count) / seconds
  }
}

/// Two linked blocks of one width, their inputs in F16 and weights in BF16, in files; as a plain LoRA
/// what dropping the shortcut leaves.
private struct ReplaySample: PlainLoRA {
  let folder: String
  let features: Int
  let adapter: Adapter

  init(_ folder: String, features: Int, tokens: Int) throws {
    self.folder = folder
    self.features = features
    let names: [TensorName] = ["layers.0.q", "layers.1.q"]
    func source(
      _ label: String, _ dtype: DType, _ suffix: String, _ shape: [Int], _ size: Double
    ) throws -> MemoryTensorSource {
      MemoryTensorSource(
        label: label,
        tensors: try names.enumerated().map { index, name in
          let info = try TensorInfo(
            name: TensorName(name.string + suffix), dtype: dtype, shape: shape)
          return (info, ReplaySample.bytes(info, size, UInt64(index)))
        })
    }
    let x = try source("inputs", .f16, "", [tokens, features], 1)
    let map = #"{"layers.0.q":"layers.0.q","layers.1.q":"layers.1.q"}"#
    try SafetensorsWriter.write(
      x, metadata: [("inputs", map)], to: folder + "/inputs.safetensors", replacing: true)
    try SafetensorsWriter.write(
      source("base", .bf16, ".weight", [features, features], 0.02), metadata: [],
      to: folder + "/base.safetensors", replacing: true)
    let a = try source("a", .f32, ".a", [16, features], 0.02)
    let b = try source("b", .f32, ".b", [features, 16], 0.02)
    adapter = try Adapter(
      label: "sample", format: "memory",
      blocks: try names.indices.map {
        try Block(
          name: names[$0], a: Factor([TensorReference(source: a, index: $0)], join: .rows),
          b: Factor([TensorReference(source: b, index: $0)], join: .columns), scaling: 2)
      },
      topology: Topology(
        structure: .inputShortcut, root: .ownInput, reach: .all, names: names,
        previous: [nil, names[0]]), notes: [])
  }

  /// Normal numbers, a few thousand of them over and over.
  private static func bytes(_ info: TensorInfo, _ size: Double, _ seed: UInt64) -> [UInt8] {
    var generator = SplitMix(state: seed)
    let some = (0..<8191).map { _ in generator.normal() * size }
    return Conversion.bytes(
      from: (0..<info.elementCount).map { some[$0 % some.count] }, dtype: info.dtype)
  }

  func inputs() throws -> CapturedInputs {
    try CapturedInputs(ActivationFile(path: folder + "/inputs.safetensors"), for: adapter)
  }

  var blocks: [PlainBlock] {
    adapter.blocks.map {
      PlainBlock(
        name: $0.name, rank: $0.rank, inFeatures: $0.inFeatures, outFeatures: $0.outFeatures,
        scaling: $0.scaling, aDType: .f32, bDType: .f32)
    }
  }

  func factors(of index: Int) throws -> PlainFactors {
    PlainFactors(a: try adapter.blocks[index].a.load(), b: try adapter.blocks[index].b.load())
  }
}
