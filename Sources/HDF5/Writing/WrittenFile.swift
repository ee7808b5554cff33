internal import ByteIO
internal import Tensors

/// What was put into a group, to compare with what is read back.
final class WrittenGroup {
  var attributes: [HDF5Attribute] = []
  var groups: [(name: String, group: WrittenGroup)] = []
  var datasets: [(name: String, dataset: WrittenDataset)] = []
  var texts: [(name: String, text: String)] = []
}

/// What was put into a dataset: its type and shape, and the CRC-32 of each piece.
final class WrittenDataset {
  let info: TensorInfo
  let pieceSize: Int
  var checksums: [UInt32] = []

  init(info: TensorInfo, pieceSize: Int) {
    self.info = info
    self.pieceSize = pieceSize
  }
}

/// Reads a file back and compares it with what was meant.
struct WrittenFile {
  let root: WrittenGroup
  let threads: Int
  let checkpoint: @Sendable () throws -> Void

  /// - Throws: `HDF5Error` or `FileError.damaged` where anything differs.
  func verify(_ file: ReadableFile, reading: HDF5Reading, path: String) throws {
    let found = try HDF5File(file: file, reading: reading, name: path)
    try verify(found.root, root, path: path)
  }

  private func damaged(_ path: String, _ object: HDF5Object) -> HDF5Error {
    HDF5Error(
      path: path, object: object,
      reason: .writing(
        operation: "write it",
        text: "it reads back differently from what was written; "
          + "the disk or file system damaged it"))
  }

  private func verify(_ found: HDF5Group, _ expected: WrittenGroup, path: String) throws {
    guard found.attributes.count == expected.attributes.count,
      found.links.count == expected.groups.count + expected.datasets.count + expected.texts.count
    else { throw damaged(path, .group(found.path)) }
    for attribute in expected.attributes {
      guard found.attribute(attribute.name)?.isIdentical(to: attribute.value) == true else {
        throw damaged(path, .attribute(attribute.name, of: found.path))
      }
    }
    for (name, text) in expected.texts {
      let object = HDF5Object.dataset(found.path(of: name))
      let back = try found.dataset(name)?.text(limit: text.utf8.count + 1)
      guard let back, back.utf8.elementsEqual(text.utf8) else { throw damaged(path, object) }
    }
    for (name, dataset) in expected.datasets {
      let object = HDF5Object.dataset(found.path(of: name))
      guard let back = try found.dataset(name), back.dtype == dataset.info.dtype,
        back.shape == dataset.info.shape
      else { throw damaged(path, object) }
      try verify(back, dataset, damaged: damaged(path, object))
    }
    for (name, group) in expected.groups {
      guard let back = try found.group(name) else {
        throw damaged(path, .group(found.path(of: name)))
      }
      try verify(back, group, path: path)
    }
  }

  private func verify(
    _ found: HDF5Dataset, _ expected: WrittenDataset, damaged: HDF5Error
  ) throws {
    let (size, all, checksums) = (
      expected.pieceSize, expected.info.byteCount, expected.checksums
    )
    let checkpoint = checkpoint
    _ = try Parallel.map(
      checksums.count, threads: threads,
      context: { AlignedBuffer(byteCount: min(size, all)) },
      { buffer, piece in
        try checkpoint()
        let part = unsafe buffer.prefix(min(size, all - piece * size))
        try unsafe found.read(at: piece * size, into: part)
        guard unsafe CRC32.of(UnsafeRawBufferPointer(part)) == checksums[piece] else {
          throw damaged
        }
      })
  }
}

extension HDF5Value {
  /// Whether both are the same to the bit.
  func isIdentical(to other: HDF5Value) -> Bool {
    switch (self, other) {
    case (.string(let one), .string(let two)): one.utf8.elementsEqual(two.utf8)
    case (.double(let one), .double(let two)): one.bitPattern == two.bitPattern
    case (.doubles(let one), .doubles(let two)):
      one.map(\.bitPattern) == two.map(\.bitPattern)
    default: self == other
    }
  }
}
