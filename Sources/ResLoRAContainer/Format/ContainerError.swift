public import Tensors

/// Why a container is refused: the file, the chunk and the tensor concerned, and the rule it breaks.
public struct ContainerError: RuleViolation, Equatable {
  /// What a broken rule is about.
  public struct Subject: Sendable, Equatable {
    /// The number of the chunk concerned, where one is.
    public let chunk: Int?
    /// The type of that chunk, where it is known.
    public let type: ChunkType?
    /// The tensor concerned, where one is and its name is known.
    public let tensor: TensorName?

    /// Names a chunk, a tensor, both or none.
    public init(chunk: Int? = nil, type: ChunkType? = nil, tensor: TensorName? = nil) {
      self.chunk = chunk
      self.type = type
      self.tensor = tensor
    }

    /// The file as a whole.
    public static let file = Subject()

    static func chunk(_ info: ChunkInfo, tensor: TensorName? = nil) -> Subject {
      Subject(chunk: info.number, type: info.type, tensor: tensor)
    }
  }

  /// The file.
  public let path: String
  /// What the rule is about.
  public let subject: Subject
  /// What is wrong.
  public let problem: ContainerProblem

  /// Says what is wrong with a file.
  public init(path: String, subject: Subject = .file, problem: ContainerProblem) {
    self.path = path
    self.subject = subject
    self.problem = problem
  }

  /// What a file holds is bad data.
  public var failureKind: FailureKind { .badData }

  /// The section of the Spec, as "Container §3.2".
  public var rule: String { problem.rule }

  /// `path: chunk 3 (DATA): tensor 'x': reason (found N, expected M) [Container §3.2]`
  public var description: String {
    var parts = [path.escapedForTerminal]
    if let chunk = subject.chunk {
      parts.append("chunk \(chunk)" + (subject.type.map { " (\($0))" } ?? ""))
    }
    if let tensor = subject.tensor { parts.append("tensor '\(tensor)'") }
    parts.append("\(problem) [\(rule)]")
    return parts.joined(separator: ": ")
  }
}
