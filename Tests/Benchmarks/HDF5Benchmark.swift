import ByteIO
import Foundation
import HDF5
import Tensors

/// What it costs to list HDF5 files in a process of their own, on an activation file of 1 GB, and
/// how fast its data are read: `benchmarks hdf5 [FOLDER]`.
///
/// 16 matrices of 8,192 tokens × 4,096 features, float16, normal; first as the tool writes them
/// (shuffle and deflate 4), then neither compressed nor chunked, where reading is quickest and the
/// other process weighs most. Files are read from the page cache in pieces of 4 MiB, each figure the
/// best of several rounds. The environment variable RESLORA_PYTHON names an interpreter with h5py,
/// which writes the second file.
enum HDF5Benchmark {
  private static let rounds = 3
  private static let piece = 4 << 20

  @Sendable static func run(_ arguments: [String]) throws {
    print("\(Parallel.availableThreads) cores, best of \(rounds) rounds")
    try Measuring.inFolder(arguments.first) { folder in
      let (compressed, plain) = ("\(folder)/compressed.h5", "\(folder)/plain.h5")
      try write(try matrices(), to: compressed)
      try measure(compressed, "shuffle, deflate 4")
      if try Measuring.python("hdf5_h5py.py", ["decompress", compressed, plain]) != nil {
        try measure(plain, "not compressed")
      }
    }
  }

  /// One matrix in memory under all names.
  private static func matrices() throws -> MemoryTensorSource {
    var generator = SplitMix(state: 11)
    let values = (0..<(8192 * 4096)).map { _ in generator.normal() }
    let bytes = Conversion.bytes(from: values, dtype: .f16)
    return MemoryTensorSource(
      label: "activations",
      tensors: try (0..<16).map {
        (try TensorInfo(name: TensorName("layer \($0)"), dtype: .f16, shape: [8192, 4096]), bytes)
      })
  }

  private static func write(_ source: MemoryTensorSource, to path: String) throws {
    let seconds = try Measuring.seconds {
      try HDF5Writer.write(
        to: path, replacing: false, threads: Parallel.availableThreads
      ) { root in
        try root.group("inputs") { group in
          for index in source.tensors.indices {
            let reference = TensorReference(source: source, index: index)
            try group.dataset(reference.info.name.string, from: reference)
          }
        }
      }
    }
    let rate = Measuring.number(Double(source.byteCount) / seconds / 1e6, 0)
    print("written at \(rate) MB/s")
  }

  private static func measure(_ path: String, _ name: String) throws {
    let isolated = HDF5Reading.isolated(executable: HDF5Worker.ownExecutable)
    print("\n\(try ReadableFile(path: path).size) bytes")
    row([name, "open ms", "read s", "GB/s"])
    var total = 0
    for threads in Set([1, Parallel.availableThreads]).sorted() {
      var seconds: [Double] = []
      for (how, reading) in [("in this process", HDF5Reading.inProcess), ("isolated", isolated)] {
        let open = try Measuring.best(of: rounds) { _ = try HDF5File(path: path, reading: reading) }
        let all = try Measuring.best(of: rounds) { total = try read(path, reading, threads) }
        seconds.append(all)
        row([
          "\(how), \(threads) thread(s)", Measuring.number(open * 1e3, 1),
          Measuring.number(all, 3), Measuring.number(Double(total) / all / 1e9, 2),
        ])
      }
      let cost = (seconds[1] / seconds[0] - 1) * 100
      row(["  cost of isolation", "", "\(Measuring.number(cost, 1)) %"])
    }
    if let seconds = try Measuring.python("hdf5_h5py.py", ["read", path, "\(rounds)"])?.first {
      row([
        "h5py", "", Measuring.number(seconds, 3),
        Measuring.number(Double(total) / seconds / 1e9, 2),
      ])
    }
  }

  /// Opens a file, reads all its inputs, and returns their size in bytes.
  private static func read(_ path: String, _ reading: HDF5Reading, _ threads: Int) throws -> Int {
    let file = try HDF5File(path: path, reading: reading)
    guard let group = try file.root.group("inputs") else { return 0 }
    var total = 0
    let buffer = AlignedBuffer(byteCount: piece)
    for link in group.links {
      guard let dataset = try group.dataset(link.name) else { continue }
      let size = try dataset.info(name: "").byteCount
      for offset in stride(from: 0, to: size, by: piece) {
        try dataset.read(
          at: offset, into: buffer.prefix(min(piece, size - offset)), threads: threads)
      }
      total += size
    }
    return total
  }

  private static func row(_ cells: [String]) { Measuring.row(cells, widths: [32, 9, 9, 6]) }
}
