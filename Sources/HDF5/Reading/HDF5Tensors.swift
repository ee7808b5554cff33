public import Tensors

/// Datasets of a file as named tensors.
public final class HDF5Tensors: TensorSource {
  /// The file's path.
  public let label: String
  /// The tensors in the order in which they were given.
  public let tensors: [TensorInfo]

  private let datasets: [HDF5Dataset]
  private let indices: [TensorName: Int]

  /// Checks types and shapes, and that the data of every dataset lie inside the file,
  /// all of them but 64 MiB.
  ///
  /// - Throws: `HDF5Error`, errors of reading.
  public init(file: HDF5File, datasets: [(name: TensorName, dataset: HDF5Dataset)]) throws {
    label = file.path
    self.datasets = datasets.map(\.dataset)
    tensors = try datasets.map { name, dataset in
      let info = try dataset.info(name: name)
      try dataset.locateWhole()
      return info
    }
    indices = Dictionary(
      datasets.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The position of the tensor of that name.
  public func index(of name: TensorName) -> Int? { indices[name] }

  /// Reads bytes of a tensor; decodes the chunks they lie in.
  public func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    try unsafe read(tensor: index, at: byteOffset, into: buffer, threads: 1)
  }

  /// The same on several threads; worth it from a few chunks on.
  public func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer,
    threads: Int
  ) throws {
    try unsafe datasets[index].read(at: byteOffset, into: buffer, threads: threads)
  }
}
