internal import ByteIO

/// Which tasks of a stage a process is to run (Plans §5).
public enum TaskChoice: Sendable, Equatable {
  /// One, or with several to a process those from `number` times their count on.
  case one(number: Int)
  /// Every `count`-th from `rank` on: one of `count` processes that share the work.
  case share(rank: Int, count: Int)

  /// What the engine that started this process says of it.
  ///
  /// MPI goes before Slurm's number of a process, which under `mpirun` is that of the node.
  /// - Throws: `PlanError.noIndex`, `PlanError.badIndex`.
  public static func fromEnvironment() throws(PlanError) -> TaskChoice {
    try TaskChoice { Environment[$0] }
  }

  init(environment: (String) -> String?) throws(PlanError) {
    func number(_ variable: String) throws(PlanError) -> Int? {
      guard let text = environment(variable) else { return nil }
      guard let value = Int(text), value >= 0 else {
        throw .badIndex(variable: variable, found: text)
      }
      return value
    }
    func share(_ rank: Int, of count: Int, _ variable: String) throws(PlanError) -> TaskChoice {
      guard count > rank else { throw .badIndex(variable: variable, found: "\(count)") }
      return .share(rank: rank, count: count)
    }
    if let index = try number("SLURM_ARRAY_TASK_ID") {
      self = .one(number: index)
    } else if let rank = try number("OMPI_COMM_WORLD_RANK") {
      let variable = "OMPI_COMM_WORLD_SIZE"
      self =
        if let count = try number(variable) { try share(rank, of: count, variable) } else {
          .one(number: rank)
        }
    } else if let rank = try number("SLURM_PROCID"),
      let count = try number("SLURM_STEP_NUM_TASKS")
    {
      // Without the number of its processes it is no step of srun, but the script around one.
      self = try share(rank, of: count, "SLURM_STEP_NUM_TASKS")
    } else if let index = try number("JOB_COMPLETION_INDEX") {
      self = .one(number: index)
    } else {
      throw .noIndex
    }
  }

  /// The tasks among some that follow each other.
  ///
  /// - Parameter several: how many tasks a process runs where it is given a number of its own.
  /// - Throws: `PlanError.noTask` for a number beyond them.
  public func tasks(of numbers: Range<Int>, several: Int = 1) throws(PlanError) -> [Int] {
    switch self {
    case .one(let number):
      let (first, overflow) = number.multipliedReportingOverflow(by: several)
      guard number >= 0, !overflow, first < numbers.count else {
        throw .noTask(found: number, count: (numbers.count + several - 1) / several)
      }
      return Array(numbers.dropFirst(first).prefix(several))
    case .share(let rank, _) where rank >= numbers.count: return []
    case .share(let rank, let count):
      return Array(stride(from: numbers.lowerBound + rank, to: numbers.upperBound, by: count))
    }
  }
}
