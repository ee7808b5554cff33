internal import ByteIO

/// How tasks are given to Slurm.
public struct SlurmOptions: Sendable, Equatable {
  /// The partition; nil leaves it to Slurm.
  public var partition: String?
  /// The time limit of a job, as `sbatch --time` takes it; nil leaves it to Slurm.
  public var time: String?
  /// Other options of `sbatch`, a word each: `--mem=4G`.
  public var others: [String]
  /// How many tasks a job of an array runs one after the other.
  public var tasksPerJob: Int

  /// Describes how.
  public init(
    partition: String? = nil, time: String? = nil, others: [String] = [], tasksPerJob: Int = 1
  ) {
    self.partition = partition
    self.time = time
    self.others = others
    self.tasksPerJob = tasksPerJob
  }
}

/// The batch script of a stage: an array whose jobs run the stage's tasks (Plans §7).
public struct SlurmScript: Sendable {
  /// Where the logs of all jobs go, in the plan's folder.
  static let logFolder = "logs"

  /// The stage.
  public let stage: PlannedTask.Stage
  /// The script.
  public let text: String
  /// What Slurm calls its jobs.
  let jobName: String
  /// How many jobs run all its tasks.
  public let jobCount: Int

  /// Its name in the plan's folder.
  public var name: String { "\(stage.rawValue).sh" }

  /// Writes a script.
  ///
  /// - Parameters:
  ///   - executable: the tool, by a path that all machines know it by.
  ///   - arguments: what every task gets beside its number.
  init(
    _ stage: PlannedTask.Stage, of plan: Plan, _ options: SlurmOptions, executable: String,
    arguments: [String]
  ) {
    self.stage = stage
    let folder = Paths.absolute(plan.path)
    jobName = "resloratool-\(stage.rawValue)-\(SlurmScript.label(folder))"
    let count = plan.tasks.numbers(of: stage).count
    jobCount = (count + options.tasksPerJob - 1) / options.tasksPerJob
    var directives = [
      "--job-name=\(jobName)",
      "--output=\(SlurmScript.pattern(folder))/\(SlurmScript.logFolder)/\(stage.rawValue)-%a.log",
      "--open-mode=append", "--requeue",
    ]
    if let partition = options.partition { directives.append("--partition=\(partition)") }
    if let time = options.time { directives.append("--time=\(time)") }
    directives += options.others
    let several = options.tasksPerJob > 1 ? ["--tasks-per-job", "\(options.tasksPerJob)"] : []
    let command =
      [executable, "plan", "run", folder, "--stage", stage.rawValue, "--task", "auto", "--quiet"]
      + several + arguments
    text = """
      #!/bin/sh
      \(directives.map { "#SBATCH \(SlurmScript.quoted($0))" }.joined(separator: "\n"))
      exec \(command.map(\.quotedForShell).joined(separator: " "))

      """
  }

  /// The `--array` of jobs that run some tasks of the stage, counted from its first.
  func array(of parts: [Int], tasksPerJob: Int) -> String {
    let jobs = parts.map { $0 / tasksPerJob }.uniquedInOrder
    if jobs.count == jobCount { return "0-\(jobCount - 1)" }
    return jobs.map(String.init).joined(separator: ",")
  }

  /// A path in a pattern of a log's name, where a percent sign begins a field.
  private static func pattern(_ path: String) -> String { path.replacing("%", with: "%%") }

  /// A word for a plan, of the characters that nobody minds in the name of a job.
  private static func label(_ plan: String) -> String {
    String(
      String.UnicodeScalarView(
        Paths.name(of: plan).unicodeScalars.map { scalar in
          scalar.isASCII
            && (scalar.properties.isAlphabetic || "0123456789._-".unicodeScalars.contains(scalar))
            ? scalar : "_"
        }.prefix(60)))
  }

  /// A directive as the script's reader has to be given it: it knows quotes and backslashes.
  private static func quoted(_ directive: String) -> String {
    guard directive.contains(where: { " \t\"'\\#".contains($0) }) else { return directive }
    return "\"" + directive.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}

extension [Int] {
  /// Each number once; they are in order.
  fileprivate var uniquedInOrder: [Int] {
    reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }
}
