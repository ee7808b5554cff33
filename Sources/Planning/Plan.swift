public import ByteIO

/// A plan: a folder that says what was asked for and what was there, from which any machine that sees
/// the same files makes the same job again, and in which tasks note how they fare (Plans §2).
public struct Plan: Sendable {
  private static let format = "resloratool.plan"
  private static let version = 1
  /// What is asked for, in the folder.
  static let fileName = "plan.json"

  /// The folder.
  public let path: String
  /// What kind of job it is of.
  public let kind: String
  /// What was asked for.
  public let request: JSONValue
  /// See `PlannedJob.fingerprint`.
  public let fingerprint: String
  /// Where the output goes.
  public let output: String
  /// The tasks by their numbers.
  public let tasks: [PlannedTask]
  private let inputs: JSONValue

  /// Reads a plan.
  ///
  /// - Throws: `PlanError.notAPlan`, `FileError`, `SystemError`.
  public init(path: String) throws {
    func failure(_ problem: String) -> PlanError { .notAPlan(path: path, problem: problem) }
    guard try Paths.kind(of: path) == .folder else {
      throw try Paths.kind(of: path) == .absent
        ? PlanError.noPlan(path: path) : failure("a plan is a folder")
    }
    let file = Paths.join(path, Plan.fileName)
    guard try Paths.kind(of: file) == .file else { throw failure("no \(Plan.fileName) in it") }
    let tree: JSONValue
    do {
      tree = try JSONValue(parsing: try ReadableFile.json(at: file))
    } catch let error as JSONError {
      throw failure("\(error)")
    }
    let object = tree.object
    guard object?["format"]?.string == Plan.format else {
      throw failure("no format \"\(Plan.format)\"")
    }
    guard object?["version"]?.number?.integer == Plan.version else {
      throw failure("not of version \(Plan.version)")
    }
    guard let kind = object?["kind"]?.string, let request = object?["request"],
      let fingerprint = object?["fingerprint"]?.string, let inputs = object?["inputs"],
      let output = object?["output"]?.string,
      let tasks = object?["tasks"]?.array?.map({ PlannedTask($0) }),
      tasks.allSatisfy({ $0 != nil })
    else { throw failure("it is damaged") }
    self.path = path
    self.kind = kind
    self.request = request
    self.fingerprint = fingerprint
    self.inputs = inputs
    self.output = output
    self.tasks = tasks.compactMap { $0 }
  }

  /// Checks that a job made of the request is the one that was planned.
  ///
  /// - Throws: `PlanError.changedSince`.
  public func check(_ job: some PlannedJob) throws(PlanError) {
    guard job.fingerprint != fingerprint else {
      if job.tasks == tasks, Paths.absolute(output) == Paths.absolute(job.output) { return }
      throw .notAPlan(path: path, problem: "its tasks are not those of its request")
    }
    throw .changedSince(
      plan: path, what: job.change(since: inputs) ?? "the tool, or what it was asked,")
  }

  /// The plan of a job, not written yet.
  public init(_ job: some PlannedJob, at path: String) {
    self.path = path
    kind = type(of: job).kind
    request = job.requestJSON
    fingerprint = job.fingerprint
    inputs = job.inputs
    output = job.output
    tasks = job.tasks
  }

  /// Writes the plan of a job into a folder that is not there yet.
  ///
  /// - Throws: `PlanError.exists`, `PlanError.held`, `FileError`, `SystemError`.
  @discardableResult
  public static func write(_ job: some PlannedJob, to path: String) throws -> Plan {
    let plan = Plan(job, at: path)
    try checkAbsent(path)
    try WorkOwner.check(ofOutput: plan.output, for: plan.fingerprint)
    let folder = try OutputFolder(path: path, names: [fileName], replacing: false)
    let text = plan.json.serialized(indented: true) + "\n"
    try OutputFile.write(Array(text.utf8), to: folder.path(of: fileName), replacing: false)
    try folder.commit()
    return plan
  }

  private var json: JSONValue {
    .members([
      "format": .string(Plan.format),
      "version": .integer(Plan.version),
      "kind": .string(kind),
      "fingerprint": .string(fingerprint),
      "request": request,
      "inputs": inputs,
      "output": .string(output),
      "bytes_read": .integer(tasks.reduce(0) { $0 + $1.bytesRead }),
      "bytes_written": .integer(tasks.reduce(0) { $0 + $1.bytesWritten }),
      "tasks": .array(tasks.enumerated().map { $1.json(number: $0) }),
    ])
  }

  /// Checks that a plan can be written there.
  ///
  /// - Throws: `PlanError.exists`.
  public static func checkAbsent(_ path: String) throws {
    if try Paths.kind(of: path) != .absent { throw PlanError.exists(path: path) }
  }
}

extension PlannedTask {
  fileprivate func json(number: Int) -> JSONValue {
    .members([
      "task": .integer(number), "stage": .string(stage.rawValue), "part": .integer(part),
      "name": .string(name), "bytes_read": .integer(bytesRead),
      "bytes_written": .integer(bytesWritten),
    ])
  }

  fileprivate init?(_ json: JSONValue) {
    guard let object = json.object,
      let stage = object["stage"]?.string.flatMap(Stage.init), let name = object["name"]?.string,
      let part = object.count("part"),
      let read = object.count("bytes_read"),
      let written = object.count("bytes_written")
    else { return nil }
    self.init(stage: stage, part: part, name: name, bytesRead: read, bytesWritten: written)
  }
}
