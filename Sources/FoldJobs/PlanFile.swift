internal import ByteIO
internal import Folding
internal import Tensors

/// A plan in a file: what was asked for and what was there, from which any machine that sees the same
/// files makes the same job again (Folding §6.2).
public struct PlanFile: Sendable {
  private static let format = "resloratool.fold-plan"
  private static let version = 1

  /// Where it lies.
  public let path: String
  /// What was asked for.
  public let request: FoldRequest
  private let fingerprint: String
  private let inputs: JSONValue

  /// Reads a plan.
  ///
  /// - Throws: `FoldJobError.notAPlan`, `FileError`, `SystemError`.
  public init(path: String) throws {
    func failure(_ problem: String) -> FoldJobError { .notAPlan(path: path, problem: problem) }
    let text = try ReadableFile.json(at: path)
    let tree: JSONValue
    do { tree = try JSONValue(parsing: text) } catch { throw failure("\(error)") }
    guard tree.object?["format"]?.string == PlanFile.format else {
      throw failure("no format \"\(PlanFile.format)\"")
    }
    guard tree.object?["version"]?.number?.integer == PlanFile.version else {
      throw failure("not of version \(PlanFile.version)")
    }
    guard let request = tree.object?["request"].flatMap({ FoldRequest($0) }),
      let fingerprint = tree.object?["fingerprint"]?.string, let inputs = tree.object?["inputs"]
    else { throw failure("its request is damaged or of another version") }
    self.path = path
    self.request = request
    self.fingerprint = fingerprint
    self.inputs = inputs
  }

  /// Opens what the plan names and checks that it is what it was.
  ///
  /// - Throws: `FoldJobError.changedSince`; as `FoldJob`.
  public func job(on machine: FoldMachine) throws -> FoldJob {
    let job = try FoldJob(request, on: machine)
    if job.fingerprint == fingerprint { return job }
    throw FoldJobError.changedSince(
      plan: path, what: PlanFile.difference(inputs, job.inputs) ?? "the tool, or what it was asked,"
    )
  }

  /// What of the inputs is not what it was.
  private static func difference(_ old: JSONValue, _ new: JSONValue) -> String? {
    if old.object?["config"] != new.object?["config"] { return "the base's config.json" }
    let base = [old, new].map { $0.object?["base"]?.array ?? [] }
    for (old, new) in zip(base[0], base[1]) where old != new {
      let name = new.object?["name"]?.string ?? ""
      return "the base's '\(name.escapedForTerminal)' (size, time or header)"
    }
    return base[0].count != base[1].count
      ? "the number of the base's files"
      : old.object?["adapters"] != new.object?["adapters"] ? "a file of an adapter" : nil
  }

  /// Writes a job's plan.
  ///
  /// - Throws: `FileError`, `SystemError`.
  public static func write(_ job: FoldJob, to path: String, replacing: Bool) throws {
    guard job.request.calibration == nil else { throw FoldJobError.calibratedPlan }
    let tasks = job.tasks
    let text = JSONValue.members([
      "format": .string(format),
      "version": .integer(version),
      "fingerprint": .string(job.fingerprint),
      "request": job.request.json,
      "inputs": job.inputs,
      "output": .string(job.request.output),
      "bytes_read": .integer(tasks.reduce(0) { $0 + $1.bytesRead }),
      "bytes_written": .integer(tasks.reduce(0) { $0 + $1.bytesWritten }),
      "tasks": .array(
        tasks.enumerated().map { number, task in
          .members([
            "task": .integer(number), "kind": .string(task.kind.rawValue),
            "file": .string(task.name), "bytes_read": .integer(task.bytesRead),
            "bytes_written": .integer(task.bytesWritten),
          ])
        }),
    ]).serialized(indented: true)
    try OutputFile.write(Array((text + "\n").utf8), to: path, replacing: replacing)
  }
}
