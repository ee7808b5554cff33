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
      let arguments = object?["arguments"]?.array?.map(\.string),
      let others = object?["options"]?.array?.map(\.string),
      let tasksPerJob = object?.count("tasks_per_job"), (1...1_000_000).contains(tasksPerJob),
      let submissions = object?["submissions"]?.array?.map(Submission.init),
      arguments.allSatisfy({ $0 != nil }), others.allSatisfy({ $0 != nil }),
      submissions.allSatisfy({ $0 != nil })
    else {
      throw PlanError.notAPlan(path: plan.path, problem: "its \(SlurmRun.fileName) is damaged")
    }
    self.init(
      plan,
      SlurmOptions(
        partition: object?["partition"]?.string, time: object?["time"]?.string,
        others: others.compactMap { $0 }, tasksPerJob: tasksPerJob), executable: executable,
      arguments: arguments.compactMap { $0 })
    self.submissions = submissions.compactMap { $0 }
  }

  /// Checks that a plan may lie there.
  ///
  /// - Throws: `SlurmError.path`.
  public static func check(path: String) throws(SlurmError) {
    let isPlain = Paths.absolute(path).unicodeScalars.allSatisfy {
      $0 != "\\" && $0.value >= 0x20
    }
    if !isPlain { throw .path(path) }
  }

  /// Checks that jobs can be submitted from here.
  ///
  /// - Throws: `SlurmError.notFound`, `SystemError`.
  public static func checkCommands() throws { _ = try run("sbatch", ["--version"]) }

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
    // How it is submitted, for a retry, whatever comes of this.
    try write()
    let known = try Set(queuedElements().map(\.submission.job))
    let stages = plan.tasks.stages
    let stage = plan.tasks[first].stage
    let earlier = stages.prefix { $0 != stage }
    let later = stages.dropFirst(earlier.count + 1)
    let stale = submissions.filter { known.contains($0.job) && later.contains($0.stage) }
    if !stale.isEmpty { _ = try SlurmRun.run("scancel", stale.map(\.job)) }
    let wanted = Set(numbers).union(later.flatMap { plan.tasks.numbers(of: $0) })
    func waiting(for stages: ArraySlice<PlannedTask.Stage>, _ kind: String) -> [String] {
      submissions.filter { known.contains($0.job) && stages.contains($0.stage) }
        .map { "\(kind):\($0.job)" }
    }
    // Of the same stage others may still run; that some of them failed is why we are here.
    let beside = waiting(for: [stage], "afterany")
    var dependencies = waiting(for: earlier, "afterok")
    var submitted: [Submission] = []
    do {
      for script in scripts {
        let all = plan.tasks.numbers(of: script.stage)
        let parts = all.filter(wanted.contains).map { $0 - all.lowerBound }
        if parts.isEmpty { continue }
        try OutputFile.write(
          Array(script.text.utf8), to: Paths.join(plan.path, script.name), replacing: true)
        let array = script.array(of: parts, tasksPerJob: options.tasksPerJob)
        let job = try SlurmRun.submitted(sbatchArguments(script, array, dependencies))
        submitted.append(Submission(stage: script.stage, job: job, array: array))
        dependencies = ["afterok:\(job)"] + (script.stage == stage ? beside : [])
        submissions.append(submitted[submitted.count - 1])
        try write()
      }
    } catch {
      if !submitted.isEmpty {
        _ = try? SlurmRun.run("scancel", submitted.map(\.job))
        submissions.removeLast(submitted.count)
        try? write()
      }
      throw error
    }
    return wanted.sorted()
  }

  /// Whether any task of the plan has run.
  public var hasBegun: Bool {
    (try? Paths.kind(of: Paths.join(plan.path, TaskRecord.folderName))) == .folder
  }

  /// Removes a plan of which nothing was submitted.
  public func discard() {
    let names = [SlurmRun.fileName, Plan.fileName] + scripts.map(\.name)
    for name in names { try? Paths.remove(Paths.join(plan.path, name)) }
    Paths.removeFolder(Paths.join(plan.path, SlurmScript.logFolder))
    Paths.removeFolder(plan.path)
  }

  /// Slurm's number of a job that it takes; what else sites have `sbatch` say goes before it.
  private static func submitted(_ arguments: [String]) throws -> String {
    let text = try run("sbatch", arguments)
    // `123`, or `123;cluster`
    for line in text.split(separator: "\n").reversed() {
      let number = line.prefix { $0 != ";" }
      if !number.isEmpty, number.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
        return String(number)
      }
    }
    throw SlurmError.failed(command: "sbatch", message: text)
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
        $0.hasPrefix("--dependency=") ? "\"\($0)\"" : $0.quotedForShell
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
      tasks.formUnion((first..<first + options.tasksPerJob).clamped(to: all))
    }
    return tasks
  }

  /// The elements of the plan's arrays that Slurm has.
  private func queuedElements() throws -> [(submission: Submission, index: Int)] {
    if submissions.isEmpty { return [] }
    // Jobs that ended a while ago are unknown to Slurm, so all of the user's are asked for.
    let text = try SlurmRun.run("squeue", ["--me", "--noheader", "--array", "--format=%F %K %j"])
    return text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ", maxSplits: 2)
      guard words.count == 3, let index = Int(words[1]), (0..<1 << 30).contains(index) else {
        return nil
      }
      // A controller that lost its notes gives numbers again: the name must be right too.
      return submissions.first { submission in
        submission.job == words[0]
          && scripts.contains { $0.stage == submission.stage && $0.jobName == words[2] }
      }.map { ($0, index) }
    }
  }

  private static func run(_ command: String, _ arguments: [String]) throws -> String {
    let result = try ShellCommand([command] + arguments)
    if result.status == 127 { throw SlurmError.notFound(command: command) }
    guard result.status == 0 else {
      let lines = result.output.split(separator: "\n").joined(separator: "; ")
      let advice =
        lines.contains("Invalid job array") ? "; take more tasks to a job: --tasks-per-job" : ""
      throw SlurmError.failed(
        command: command, message: (lines.isEmpty ? "status \(result.status)" : lines) + advice)
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
