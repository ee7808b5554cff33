import ByteIO
import FormatTestSupport
import Tensors
import TestSupport
import Testing
import TorchCheckpoint

extension TestCheckpoint {
  /// Writes the archive and opens it.
  func open() throws -> TorchCheckpoint {
    try folder.write(zip.build(), to: "model.pt")
    return try TorchCheckpoint(path: path)
  }

  /// Expects that opening fails in one way.
  func expect(
    _ error: (_ path: String) -> TorchCheckpointError,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: error(path), sourceLocation: sourceLocation) { try open() }
  }

  /// Expects a problem of the archive.
  func expect(zip problem: ZipProblem, sourceLocation: SourceLocation = #_sourceLocation) {
    expect({ .archive(path: $0, problem) }, sourceLocation: sourceLocation)
  }

  /// Expects a problem of the pickle.
  func expect(pickle problem: PickleProblem, sourceLocation: SourceLocation = #_sourceLocation) {
    expect({ .pickle(path: $0, problem) }, sourceLocation: sourceLocation)
  }

  /// Expects a problem of the tensor `x`.
  func expect(
    tensor problem: TorchCheckpointError.TensorProblem,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    expect({ .tensor(path: $0, name: "x", problem) }, sourceLocation: sourceLocation)
  }
}
