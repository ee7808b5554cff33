public import Tensors

/// Why a plan can't be made or gone by.
public enum PlanError: DiagnosableError, Equatable {
  /// Nothing is where a plan should be.
  case noPlan(path: String)
  /// What is there is no plan.
  case notAPlan(path: String, problem: String)
  /// Something is where a plan is to be written.
  case exists(path: String)
  /// What the plan reads is no longer what it was.
  case changedSince(plan: String, what: String)
  /// A task of a number that the plan does not have.
  case noTask(found: Int, count: Int)
  /// A stage that the plan does not have.
  case noStage(found: PlannedTask.Stage, stages: [PlannedTask.Stage])
  /// Tasks that have not run, and others that need them.
  case missingTasks([Int])
  /// Another run or plan fills the place where the output is made.
  case held(output: String, by: String, advice: String)
  /// The output's name is taken by something that the plan did not make.
  case foreignOutput(path: String)
  /// The task's number is to come from an engine, and none has said any.
  case noIndex
  /// Processes that share all tasks, and a number of tasks for each.
  case sharedTasks
  /// What an engine says of a task's number is no number.
  case badIndex(variable: String, found: String)

  /// What was asked for.
  public var failureKind: FailureKind {
    switch self {
    case .noTask, .noStage, .exists, .noIndex, .foreignOutput, .sharedTasks: .usage
    case .noPlan, .notAPlan, .changedSince, .badIndex: .badData
    case .missingTasks: .checkFailed
    case .held: .resource
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .noPlan(let path):
      "\(path.escapedForTerminal): no plan is there; make one with --plan-out"
    case .notAPlan(let path, let problem):
      "\(path.escapedForTerminal): no plan (\(problem)); make one with --plan-out"
    case .exists(let path):
      "\(path.escapedForTerminal): exists already; if it is a plan, 'resloratool plan status' says how "
        + "far it is; name another folder, or remove it to plan anew"
    case .changedSince(let plan, let what):
      "\(plan.escapedForTerminal): \(what) changed since the plan was made; remove it and make it "
        + "again with --plan-out"
    case .noTask(let found, let count):
      "no task of that number (found \(found), expected 0 to \(count - 1))"
    case .noStage(let found, let stages):
      "the plan has no such stage (found \(found.rawValue), expected "
        + "\(stages.map(\.rawValue).joined(separator: ", ")))"
    case .missingTasks(let tasks):
      "\(PlanError.name(of: tasks)) must run before this one"
    case .held(let output, let owner, let advice):
      "\(output.escapedForTerminal): is being written by \(owner); \(advice)"
    case .foreignOutput(let path):
      "\(path.escapedForTerminal): is there, and this plan did not make it; remove it, or make the plan "
        + "again with another output or --force"
    case .noIndex:
      "--task auto: none of SLURM_ARRAY_TASK_ID, OMPI_COMM_WORLD_RANK, SLURM_PROCID in a step of srun, "
        + "JOB_COMPLETION_INDEX is set; name the task: --task N"
    case .sharedTasks:
      "--tasks-per-job is for processes that are given a number; these share all tasks: leave it out"
    case .badIndex(let variable, let found):
      "--task auto: \(variable) is no number of a task (found '\(found.escapedForTerminal)')"
    }
  }

  /// `task 3`; `tasks 0, 3 to 7, 9`, the first of many.
  public static func name(of tasks: [Int]) -> String {
    "\(tasks.count == 1 ? "task" : "tasks") \(ranges(tasks))"
  }

  private static func ranges(_ numbers: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = runs.last, last.upperBound + 1 == number {
        runs[runs.count - 1] = last.lowerBound...number
      } else {
        runs.append(number...number)
      }
    }
    let texts = runs.map { run in
      run.count == 1
        ? "\(run.lowerBound)"
        : run.count == 2
          ? "\(run.lowerBound), \(run.upperBound)" : "\(run.lowerBound) to \(run.upperBound)"
    }
    return texts.prefix(10).joined(separator: ", ") + (texts.count > 10 ? ", …" : "")
  }

  /// A time in words: `42 s`, `3 min`, `5 h`, `2 days`.
  public static func age(_ seconds: Int) -> String {
    switch max(seconds, 0) {
    case ..<120: "\(max(seconds, 0)) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) days"
    }
  }
}
