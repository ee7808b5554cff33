package import Adapters
internal import ByteIO
public import HDF5
internal import Safetensors
public import Tensors

/// Captured inputs of an adapter's linears (Activations §1). Nothing but headers is read before
/// rows are asked for.
public struct ActivationFile: Sendable {
  /// The path of the file, or of the folder of files.
  public let label: String
  /// The files that hold the matrices.
  public let files: [String]
  /// The name of the format.
  public let format: String
  /// The matrices, [tokens, features] each.
  public let matrices: any TensorSource
  /// The matrix that is each block's input, by its position in `matrices`, in the order of the
  /// blocks' names.
  public let inputs: [(block: TensorName, matrix: Int)]
  /// Free text, sorted by the bytes of the key.
  public let metadata: [(key: String, value: String)]

  /// The number of tokens, rows of every matrix.
  public var tokens: Int { matrices.tensors.first?.shape.first ?? 0 }

  /// Whether a file says of itself that it holds activations.
  package static func matches(_ probe: InputProbe) -> Bool {
    inputsText(probe) != nil || probe.hdf5.map { HDF5Layout.format(of: $0) } == hdf5Format
  }

  /// Opens a file that `matches`.
  ///
  /// - Throws: `ActivationError`, errors of reading.
  package init(_ probe: InputProbe, check: RuleCheck) throws {
    if let file = probe.hdf5 {
      try self.init(hdf5: file, path: probe.path, check: check)
    } else if let file = probe.safetensors, let text = ActivationFile.inputsText(probe) {
      try self.init(safetensors: file, inputs: text, path: probe.path, check: check)
    } else {
      throw ActivationError(path: probe.path, rule: "Activations §1", reason: .notActivations)
    }
  }

  /// Opens a file of activations in any format, or a folder of them as one (Activations §4).
  ///
  /// - Parameter hdf5: how HDF5 files are listed.
  /// - Throws: `ActivationError`, errors of reading.
  public init(path: String, hdf5: HDF5Reading = .inProcess) throws {
    let probe = try InputProbe(path: path, hdf5: hdf5)
    if probe.kind == .folder {
      try self.init(folder: probe, hdf5: hdf5)
    } else {
      try self.init(probe, check: .throwing)
    }
  }

  /// Checks what holds in all formats.
  ///
  /// - Parameter inputs: the matrix of each block; nil where that was noted to be unreadable.
  init(
    path: String, format: String, matrices: any TensorSource,
    inputs: [(block: TensorName, matrix: TensorName)]?, metadata: [(key: String, value: String)],
    check: RuleCheck
  ) throws {
    func broken(_ reason: ActivationError.Reason) throws {
      try check.broken(ActivationError(path: path, rule: "Activations §1", reason: reason))
    }
    let tokens = matrices.tensors.first { $0.shape.count == 2 }?.shape[0]
    var names: Set<TensorName> = []
    for info in matrices.tensors {
      if !names.insert(info.name).inserted { try broken(.repeatedMatrix(info.name)) }
      _ = try TextRules.checkName(info.name.string, of: "tensor", path: path, check)
      if !info.dtype.isArithmetic { try broken(.unusableDType(info.name, found: info.dtype)) }
      guard info.shape.count == 2, info.shape[1] > 0 else {
        try broken(.notAMatrix(info.name, found: info.shape))
        continue
      }
      if let tokens, info.shape[0] != tokens {
        try broken(.tokensDiffer(info.name, found: info.shape[0], expected: tokens))
      }
    }
    if matrices.tensors.isEmpty { try broken(.noMatrices) }
    var unnamed = inputs == nil ? [] : names
    var blocks: Set<TensorName> = []
    var positions: [(block: TensorName, matrix: Int)] = []
    for (block, matrix) in (inputs ?? []).sorted(by: { $0.block < $1.block }) {
      if !blocks.insert(block).inserted { try broken(.repeatedBlock(block)) }
      _ = try TextRules.checkName(block.string, of: "block", path: path, check)
      unnamed.remove(matrix)
      if let position = matrices.index(of: matrix) {
        positions.append((block, position))
      } else {
        try broken(.unknownMatrix(block: block, found: matrix))
      }
    }
    if !unnamed.isEmpty { try broken(.unnamedMatrices(unnamed.sorted())) }
    try TextRules.checkMetadata(metadata, path: path, check)
    label = path
    files = [path]
    self.format = format
    self.matrices = matrices
    self.inputs = positions
    self.metadata = metadata.sorted { TensorName($0.key) < TensorName($1.key) }
  }
}
