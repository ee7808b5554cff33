import ByteIO
import Foundation
import ResLoRAContainer
import Tensors

/// Size and speed of containers beside HDF5 files that h5py writes: `benchmarks container [FOLDER]`.
///
/// The adapters are made as training makes them: A uniform as its initialisation is, 24 random
/// bits scaled by 1/√in; B normal. 50 MB, rank 16, all seeded. Files are written with their flush
/// to the disk and read from the page cache, each the best of several rounds. The environment
/// variable RESLORA_PYTHON names an interpreter with h5py and numpy.
enum ContainerBenchmark {
  private static let rounds = 5

  @Sendable static func run(_ arguments: [String]) throws {
    print("\(Parallel.availableThreads) cores, best of \(rounds) rounds")
    try Measuring.inFolder(arguments.first) { folder in
      for dtype in [DType.f32, .bf16] {
        try Measurement(adapter: adapter(dtype), folder: folder).run()
      }
    }
  }

  /// An adapter of 50 MB.
  private static func adapter(_ dtype: DType) throws -> MemoryTensorSource {
    var generator = SplitMix(state: 7)
    let (rank, width) = (16, 4096)
    let blocks = 50_000_000 / (2 * rank * width * dtype.bitWidth / 8)
    var tensors: [(info: TensorInfo, bytes: [UInt8])] = []
    for block in 0..<blocks {
      let name = "model.layers.\(block).self_attn.q_proj"
      let a = (0..<(rank * width)).map { _ in
        (Float(generator.next() >> 40) / Float(1 << 23) - 1) / Float(width).squareRoot()
      }
      let b = (0..<(rank * width)).map { _ in Float(generator.normal() * 0.02) }
      for (factor, values, shape) in [("A", a, [rank, width]), ("B", b, [width, rank])] {
        let info = try TensorInfo(
          name: TensorName("\(name).lora_\(factor)"), dtype: dtype, shape: shape)
        tensors.append((info, Conversion.bytes(from: values.map(Double.init), dtype: dtype)))
      }
    }
    return MemoryTensorSource(label: "adapter", tensors: tensors)
  }

  private struct Measurement {
    let adapter: MemoryTensorSource
    let folder: String

    private var raw: Int { adapter.tensors.reduce(0) { $0 + $1.byteCount } }

    func run() throws {
      let all = Parallel.availableThreads
      print("\n\(adapter.tensors[0].dtype.rawValue), \(raw) bytes raw")
      row(["", "stored", "share", "write MB/s", "read GB/s, 1 core"])
      let h5py = try measureH5py()
      for compression in [ContainerCompression.automatic, .zlib, .none] {
        for threads in compression == .automatic ? Array(Set([1, all])).sorted() : [1] {
          let ours = try measure(compression, threads)
          show(".reslora \(compression.rawValue), \(threads) thread(s)", ours)
          if let h5py {
            let size = Double(ours.size) / Double(h5py.size)
            row([
              "  to h5py", number(size, 3), "", "× \(number(h5py.write / ours.write, 1))",
              "× \(number(h5py.read / ours.read, 1))",
            ])
          }
        }
      }
      if let h5py { show("h5py shuffle, gzip 4", h5py) }
    }

    private typealias Figures = (size: Int, write: Double, read: Double)

    private func measure(_ compression: ContainerCompression, _ threads: Int) throws -> Figures {
      let path = "\(folder)/adapter.reslora"
      let writer = ContainerWriter(compression: compression, threads: threads)
      var figures: Figures = (0, .infinity, .infinity)
      for _ in 0..<rounds {
        figures.write = min(
          figures.write,
          try Measuring.seconds {
            try writer.write(description: "{}", source: adapter, to: path, replacing: true)
          })
        let file = try ContainerFile(path: path)
        figures.size = file.size
        figures.read = min(
          figures.read,
          try Measuring.seconds {
            for index in file.tensors.indices { _ = try file.bytes(of: index) }
          })
      }
      return figures
    }

    private func measureH5py() throws -> Figures? {
      var listing: [String] = []
      var content = Data()
      for (index, info) in adapter.tensors.enumerated() {
        listing.append(
          "[\"\(info.name)\", \(info.dtype.bitWidth / 8), \(info.shape), \(content.count)]")
        content.append(contentsOf: try adapter.bytes(of: index))
      }
      let paths = ["tensors.json", "tensors.bin", "adapter.h5"].map { "\(folder)/\($0)" }
      try Data("[\(listing.joined(separator: ","))]".utf8)
        .write(to: URL(fileURLWithPath: paths[0]))
      try content.write(to: URL(fileURLWithPath: paths[1]))
      guard let fields = try Measuring.python("container_h5py.py", paths + ["\(rounds)"]),
        fields.count == 3
      else { return nil }
      return (Int(fields[0]), fields[1], fields[2])
    }

    private func show(_ name: String, _ figures: Figures) {
      row([
        name, "\(figures.size)", number(Double(figures.size) / Double(raw), 3),
        number(Double(raw) / figures.write / 1e6, 0), number(Double(raw) / figures.read / 1e9, 2),
      ])
    }

    private func row(_ cells: [String]) { Measuring.row(cells, widths: [32, 10, 7, 12, 18]) }

    private func number(_ value: Double, _ digits: Int) -> String {
      Measuring.number(value, digits)
    }
  }
}
