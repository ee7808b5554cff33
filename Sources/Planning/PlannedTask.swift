/// A part of a job that runs on its own, on any machine that sees the files.
public struct PlannedTask: Sendable, Equatable {
  /// What a task does. A task needs all tasks of the stages before its own, and none of its own.
  public enum Stage: String, Sendable, CaseIterable {
    /// Measures the adapted weights of a shard of the base.
    case statistics
    /// Puts all statistics into one file.
    case combine
    /// Sums up products of captured inputs.
    case gram
    /// Fits the blocks of one matrix of captured inputs.
    case fit
    /// Writes a shard of the output.
    case fold
    /// Gives the output its name.
    case finish
  }

  /// What it does.
  public let stage: Stage
  /// Its number among the tasks of its stage.
  public let part: Int
  /// What it works on: the name of a file or an input.
  public let name: String
  /// Bytes of tensors that it reads.
  public let bytesRead: Int
  /// Bytes that it writes.
  public let bytesWritten: Int

  /// Describes a task.
  public init(stage: Stage, part: Int, name: String, bytesRead: Int, bytesWritten: Int) {
    self.stage = stage
    self.part = part
    self.name = name
    self.bytesRead = bytesRead
    self.bytesWritten = bytesWritten
  }
}

extension PlannedTask {
  /// What it has to go through: the bytes that it reads or those that it writes, whichever are more.
  public var work: Int { max(bytesRead, bytesWritten) }
}

extension [PlannedTask] {
  /// The stages there are, in order.
  public var stages: [PlannedTask.Stage] {
    PlannedTask.Stage.allCases.filter { stage in contains { $0.stage == stage } }
  }

  /// The numbers of a stage's tasks.
  public func numbers(of stage: PlannedTask.Stage) -> Range<Int> {
    let first = firstIndex { $0.stage == stage } ?? endIndex
    return first..<(lastIndex { $0.stage == stage } ?? first - 1) + 1
  }
}
