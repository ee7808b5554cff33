internal import ByteIO

/// What of a plan was given to Slurm, and how: kept in the plan's folder (Plans §7).
public struct SlurmRun: Sendable {
  private static let fileName = "slurm.json"

  /// Jobs that Slurm was given.
  public struct Submission: Sendable, Equatable {
    /// What they do.
    public let stage: PlannedTask.Stage
    /// Slurm's number of them.
    public let job: String
    /// Which jobs of the stage's array.
    public let array: String
  }

  /// The plan.
  public let plan: Plan
  /// What every job runs, by stage.
  public let scripts: [SlurmScript]
  /// What was submitted so far.
  public private(set) var submissions: [Submission] = []
  private let options: SlurmOptions
  private let executable: String
  private let arguments: [String]

  /// Prepares the scripts of a plan.
  ///
  /// - Parameters:
  ///   - executable: the tool, by a path that all machines know it by.
  ///   - arguments: what every task gets beside its number.
  public init(
    _ plan: Plan, _ options: SlurmOptions, executable: String, arguments: [String]
  ) {
    self.plan = plan
    self.options = options
    self.executable = executable
    self.arguments = arguments
    scripts = plan.tasks.stages.map {
      SlurmScript($0, of: plan, options, executable: executable, arguments: arguments)
    }
  }

  /// Whether Slurm was given anything of a plan.
  public static func isSubmitted(_ plan: Plan) throws -> Bool {
    try Paths.kind(of: Paths.join(plan.path, fileName)) == .file
  }

  /// Reads what was given to Slurm.
  ///
  /// - Throws: `SlurmError.notSubmitted`, `PlanError.notAPlan`, errors of reading.
  public init(of plan: Plan) throws {
    guard try SlurmRun.isSubmitted(plan) else { throw SlurmError.notSubmitted(plan: plan.path) }
    let path = Paths.join(plan.path, SlurmRun.fileName)
    let object = (try? JSONValue(parsing: try ReadableFile.json(at: path)))?.object
    guard let executable = object?["executable"]?.string,
      let arguments = object?["arguments"]?.array?.compactMap(\.string),
      let others = object?["options"]?.array?.compactMap(\.string),
      let tasksPerJob = object?["tasks_per_job"]?.number?.integer, tasksPerJob > 0,
      let submissions = object?["submissions"]?.array?.compactMap(Submission.init)
    else {
      throw PlanError.notAPlan(path: plan.path, problem: "its \(SlurmRun.fileName) is damaged")
    }
    self.init(
      plan,
      SlurmOptions(
        partition: object?["partition"]?.string, time: object?["time"]?.string, others: others,
        tasksPerJob: tasksPerJob), executable: executable, arguments: arguments)
    self.submissions = submissions
  }

  /// Checks that jobs of a plan that lies there can be submitted from here.
  ///
  /// - Throws: `SlurmError.path`, `SlurmError.notFound`, `SystemError`.
  public static func check(plan path: String) throws {
    if Paths.absolute(path).contains("\\") { throw SlurmError.path(path) }
    _ = try run("sbatch", ["--version"])
  }

  /// Gives Slurm some tasks, stage after stage: each stage is to begin when those before it have
  /// succeeded. What Slurm still has of later stages than the first of them, it lets go of and is given
  /// anew. Where Slurm refuses a stage, those submitted before it are cancelled.
  ///
  /// - Returns: the tasks submitted, those of later stages among them.
  /// - Throws: `SlurmError`, errors of writing.
  @discardableResult
  public mutating func submit(_ numbers: [Int]) throws -> [Int] {
    guard let first = numbers.min() else { return [] }
    try Paths.makeFolder(Paths.join(plan.path, SlurmScript.logFolder))
    let known = try queuedJobs()
    let stages = plan.tasks.stages
    let later = stages.drop { $0 != plan.tasks[first].stage }.dropFirst()
    let stale = submissions.filter { known.contains($0.job) && later.contains($0.stage) }
    if !stale.isEmpty { _ = try SlurmRun.run("scancel", stale.map(\.job)) }
    let wanted = Set(numbers).union(later.flatMap { plan.tasks.numbers(of: $0) })
    // Of the first stage others may still run; that some of them failed is why we are here.
    var dependencies = submissions.map(\.job).filter { job in
      known.contains(job) && !stale.contains { $0.job == job }
    }.map { "afterany:\($0)" }
    var submitted: [Submission] = []
    for script in scripts {
      let all = plan.tasks.numbers(of: script.stage)
      let parts = all.filter(wanted.contains).map { $0 - all.lowerBound }
      if parts.isEmpty { continue }
      let path = Paths.join(plan.path, script.name)
      do {
        try OutputFile.write(Array(script.text.utf8), to: path, replacing: true)
        let array = script.array(of: parts, tasksPerJob: options.tasksPerJob)
        let job = try SlurmRun.run(
          "sbatch",
          sbatchArguments(script, array, later.contains(script.stage) ? dependencies : []))
        // `123`, or `123;cluster`
        let id = String(job.prefix { $0 != ";" && !$0.isWhitespace })
        guard !id.isEmpty, id.allSatisfy(\.isNumber) else {
          throw SlurmError.failed(command: "sbatch", message: job)
        }
        submitted.append(Submission(stage: script.stage, job: id, array: array))
        dependencies = (later.contains(script.stage) ? [] : dependencies) + ["afterok:\(id)"]
        submissions.append(submitted[submitted.count - 1])
        try write()
      } catch {
        if !submitted.isEmpty {
          _ = try? SlurmRun.run("scancel", submitted.map(\.job))
          submissions.removeLast(submitted.count)
          try? write()
        }
        throw error
      }
    }
    return wanted.sorted()
  }

  /// The command line that submits jobs of a stage.
  func sbatchArguments(
    _ script: SlurmScript, _ array: String, _ dependencies: [String]
  ) -> [String] {
    let path = Paths.join(Paths.absolute(plan.path), script.name)
    let dependency =
      dependencies.isEmpty
      ? [] : ["--dependency=\(dependencies.joined(separator: ","))", "--kill-on-invalid-dep=yes"]
    return ["--parsable", "--array=\(array)"] + dependency + [path]
  }

  /// What would be submitted: every script, and the command that does it.
  public var preview: String {
    var text = ""
    var last: [String] = []
    for script in scripts {
      let array = script.array(
        of: Array(0..<plan.tasks.numbers(of: script.stage).count), tasksPerJob: options.tasksPerJob)
      let words = ["sbatch"] + sbatchArguments(script, array, last)
      // The number is only known once it is submitted: a variable of the shell.
      let command = words.map {
        $0.contains("$") ? "\"\($0)\"" : $0.quotedForShell
      }.joined(separator: " ")
      text += "# \(script.name)\n\(script.text)\n"
      text += "# \(script.stage.rawValue)=$(\(command))\n\n"
      last = ["afterok:$\(script.stage.rawValue)"]
    }
    return text
  }

  /// The tasks that Slurm still has, waiting or running.
  ///
  /// - Throws: `SlurmError`, `SystemError`.
  public func queued() throws -> Set<Int> {
    var tasks: Set<Int> = []
    for (submission, index) in try queuedElements() {
      let all = plan.tasks.numbers(of: submission.stage)
      let first = all.lowerBound + index * options.tasksPerJob
      tasks.formUnion(first..<min(first + options.tasksPerJob, all.upperBound))
    }
    return tasks
  }

  private func queuedJobs() throws -> Set<String> {
    Set(try queuedElements().map(\.submission.job))
  }

  /// The elements of the plan's arrays that Slurm has.
  private func queuedElements() throws -> [(submission: Submission, index: Int)] {
    if submissions.isEmpty { return [] }
    // Jobs that ended a while ago are unknown to Slurm, so all of the user's are asked for.
    let text = try SlurmRun.run("squeue", ["--me", "--noheader", "--array", "--format=%F %K %j"])
    return text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == 3, let index = Int(words[1]) else { return nil }
      // A controller that lost its notes gives numbers again: the name must be right too.
      return submissions.first {
        $0.job == words[0] && SlurmScript.jobName($0.stage) == words[2]
      }.map { ($0, index) }
    }
  }

  private static func run(_ command: String, _ arguments: [String]) throws -> String {
    let result = try ShellCommand([command] + arguments)
    if result.status == 127 { throw SlurmError.notFound(command: command) }
    guard result.status == 0 else {
      let lines = result.output.split(separator: "\n").joined(separator: "; ")
      throw SlurmError.failed(
        command: command, message: lines.isEmpty ? "status \(result.status)" : lines)
    }
    return result.output
  }

  private func write() throws {
    let text = JSONValue.members([
      "executable": .string(executable),
      "arguments": .array(arguments.map(JSONValue.string)),
      "partition": options.partition.map(JSONValue.string),
      "time": options.time.map(JSONValue.string),
      "options": .array(options.others.map(JSONValue.string)),
      "tasks_per_job": .integer(options.tasksPerJob),
      "submissions": .array(submissions.map(\.json)),
    ]).serialized(indented: true)
    try OutputFile.write(
      Array((text + "\n").utf8), to: Paths.join(plan.path, SlurmRun.fileName), replacing: true)
  }
}

extension SlurmRun.Submission {
  fileprivate var json: JSONValue {
    .members([
      "stage": .string(stage.rawValue), "job": .string(job), "array": .string(array),
    ])
  }

  fileprivate init?(_ json: JSONValue) {
    guard let object = json.object,
      let stage = object["stage"]?.string.flatMap(PlannedTask.Stage.init),
      let job = object["job"]?.string, let array = object["array"]?.string
    else { return nil }
    self.init(stage: stage, job: job, array: array)
  }
}
