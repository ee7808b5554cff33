import ByteIO
import HDF5
import Tensors
import TestSupport
import Testing

/// What the writer writes, the reader reads.
@Suite struct RoundTripTests {
  private let folder = TemporaryFolder()

  private static let shapes: [[Int]] = [
    [], [0], [1], [7], [600], [3, 5], [64, 512], [1000, 300], [5, 0], [3, 40, 50], [4, 3, 50, 70],
    [2, 600_000],
  ]

  @Test(
    "every dtype and shape, whatever the threads", arguments: [DType.f64, .f32, .f16, .bf16],
    shapes)
  func tensors(_ dtype: DType, _ shape: [Int]) throws {
    let source = try MemoryTensorSource.random([("x", dtype, shape)])
    let expected = try source.bytes(of: 0)
    var files: [[UInt8]] = []
    for threads in [1, 3] {
      let path = folder.file("\(threads).h5")
      try HDF5Writer.write(to: path, replacing: false, threads: threads) { root in
        try root.dataset("pulled", from: TensorReference(source: source, index: 0))
        try root.dataset("pushed", dtype: dtype, shape: shape) { dataset in
          for start in stride(from: 0, to: expected.count, by: 100_003) {
            try Array(expected[start..<min(start + 100_003, expected.count)]).withUnsafeBytes {
              try dataset.append($0)
            }
          }
        }
      }
      files.append(try ReadableFile.contents(of: path, limit: 1 << 30))
      let file = try HDF5File(path: path, reading: .inProcess)
      #expect(file.root.links.map(\.name) == ["pulled", "pushed"])
      for name in ["pulled", "pushed"] {
        let dataset = try #require(try file.root.dataset(name))
        #expect(dataset.shape == shape)
        #expect(dataset.elementType == .float(dtype, bigEndian: false))
        let tensors = try HDF5Tensors(file: file, datasets: [("t", dataset)])
        #expect(try tensors.bytes(of: 0) == expected)
      }
    }
    #expect(files[0] == files[1])
  }
}
