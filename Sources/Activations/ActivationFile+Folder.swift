internal import Adapters
internal import ByteIO
internal import HDF5
internal import Tensors

/// A folder of files of activations that count as one (Activations §4).
extension ActivationFile {
  /// Opens the files of a folder in the order of their names' bytes; hidden ones are passed over.
  ///
  /// - Throws: `ActivationError.Reason.noFiles`, `ActivationError.Reason.otherInputs`; as the files
  ///   alone.
  init(folder: InputProbe, hdf5: HDF5Reading) throws {
    let path = folder.path
    let parts = try folder.entries.filter { !$0.hasPrefix(".") }.map { name in
      let path = Paths.join(path, name)
      guard try Paths.kind(of: path) == .file else {
        throw ActivationError(path: path, rule: ActivationFile.folderRule, reason: .notActivations)
      }
      return try ActivationFile(InputProbe(path: path, hdf5: hdf5), check: .throwing)
    }
    guard let first = parts.first else {
      throw ActivationError(path: path, rule: ActivationFile.folderRule, reason: .noFiles)
    }
    for part in parts.dropFirst() {
      guard let difference = part.difference(from: first) else { continue }
      throw ActivationError(
        path: part.label, rule: ActivationFile.folderRule,
        reason: .otherInputs(than: Paths.name(of: first.label), difference))
    }
    label = path
    format = "a folder of \(parts.count) files of activations"
    matrices = try JoinedMatrices(label: path, parts: parts.map(\.matrices))
    inputs = first.inputs
    metadata = first.metadata
    files = parts.map(\.label)
  }

  private static let folderRule = "Activations §4"

  /// What of the inputs is not as in another file; nil where all is.
  private func difference(from other: ActivationFile) -> String? {
    let own = Dictionary(matrices.tensors.map { ($0.name, $0) }) { first, _ in first }
    for expected in other.matrices.tensors {
      guard let found = own[expected.name] else { return "no tensor '\(expected.name)'" }
      guard found.shape[1] == expected.shape[1] else {
        return "tensor '\(expected.name)': found \(found.shape[1]) features, expected "
          + "\(expected.shape[1])"
      }
      guard found.dtype == expected.dtype else {
        return "tensor '\(expected.name)': found \(found.dtype.rawValue), expected "
          + expected.dtype.rawValue
      }
    }
    let known = Set(other.matrices.tensors.map(\.name))
    if let more = matrices.tensors.first(where: { !known.contains($0.name) }) {
      return "a tensor '\(more.name)' that is not there"
    }
    let inputs = Dictionary(namedInputs) { first, _ in first }
    for (block, expected) in other.namedInputs {
      guard let found = inputs[block] else { return "no block '\(block)'" }
      guard found == expected else {
        return "block '\(block)': found the input '\(found)', expected '\(expected)'"
      }
    }
    let blocks = Set(other.inputs.map(\.block))
    return self.inputs.first { !blocks.contains($0.block) }.map {
      "a block '\($0.block)' that is not there"
    }
  }

  private var namedInputs: [(TensorName, TensorName)] {
    inputs.map { ($0.block, matrices.tensors[$0.matrix].name) }
  }
}

/// Matrices of several files, the rows of each following one another; the order is that of the first.
struct JoinedMatrices: TensorSource {
  let label: String
  let tensors: [TensorInfo]

  private let parts: [any TensorSource]
  /// The position of every tensor in every part.
  private let positions: [[Int]]
  /// Where every part begins in every tensor, in bytes, and the end of the last.
  private let starts: [[Int]]
  private let indices: [TensorName: Int]

  /// Joins parts that have the same tensors but for their rows.
  ///
  /// - Throws: `TensorInfoError` where there are more rows than can be counted.
  init(label: String, parts: [any TensorSource]) throws {
    var tensors: [TensorInfo] = []
    var positions: [[Int]] = []
    var starts: [[Int]] = []
    for info in parts[0].tensors {
      let places = parts.compactMap { $0.index(of: info.name) }
      precondition(places.count == parts.count, "files of the same tensors")
      let own = zip(parts, places).map { $0.tensors[$1] }
      let rows = own.reduce(0) { sum, part in
        let (total, overflow) = sum.addingReportingOverflow(part.shape[0])
        return overflow ? .max : total
      }
      tensors.append(
        try TensorInfo(name: info.name, dtype: info.dtype, shape: [rows, info.shape[1]]))
      positions.append(places)
      starts.append(own.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.byteCount) })
    }
    self.label = label
    self.tensors = tensors
    self.parts = parts
    self.positions = positions
    self.starts = starts
    indices = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
  }

  func index(of name: TensorName) -> Int? { indices[name] }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    let starts = starts[index]
    let end = byteOffset + buffer.count
    for part in parts.indices {
      let (from, to) = (max(byteOffset, starts[part]), min(end, starts[part + 1]))
      guard from < to else { continue }
      let piece = unsafe UnsafeMutableRawBufferPointer(
        rebasing: buffer[(from - byteOffset)..<(to - byteOffset)])
      try unsafe parts[part].read(
        tensor: positions[index][part], at: from - starts[part], into: piece)
    }
  }
}
