internal import Tensors

/// What becomes of a broken rule: thrown where a file is opened, kept where it is validated. One
/// piece of code checks for both.
struct FaultHandler {
  let path: String
  /// How many faults are kept before the next one is thrown; none where a file is opened.
  let limit: Int
  private(set) var kept: [ContainerError] = []
  /// Chunks that gave a fault; what they hold is not looked at.
  private(set) var badChunks: Set<Int> = []
  /// The tensor that faults of chunks are about.
  var tensor: TensorName?

  init(path: String, tensor: TensorName? = nil, keeping limit: Int = 0) {
    self.path = path
    self.tensor = tensor
    self.limit = limit
  }

  /// Takes a fault after which checking can go on.
  mutating func report(
    _ problem: ContainerProblem, _ subject: ContainerError.Subject = .file
  ) throws(ContainerError) {
    try report(failure(problem, subject))
  }

  /// Takes a fault after which checking can go on.
  mutating func report(_ error: ContainerError) throws(ContainerError) {
    guard kept.count < limit else { throw error }
    kept.append(error)
    if let chunk = error.subject.chunk { badChunks.insert(chunk) }
  }

  /// A fault to be thrown, after which nothing more can be said of the file or a part of it.
  func failure(
    _ problem: ContainerProblem, _ subject: ContainerError.Subject = .file
  ) -> ContainerError {
    ContainerError(
      path: path,
      subject: .init(
        chunk: subject.chunk, type: subject.type, tensor: subject.tensor ?? tensor),
      problem: problem)
  }

  /// The result of `body`, or nil where faults are kept and it met one that ended it.
  mutating func attempt<Result>(
    _ body: (inout FaultHandler) throws -> Result
  ) throws -> Result? {
    do {
      return try body(&self)
    } catch let error as ContainerError {
      try report(error)
      return nil
    }
  }
}
