internal import ByteIO

/// How a task fares, as it notes it in the plan's folder (Plans §3). Whether it is done, its result
/// says; this says where it runs, how far it is and why it failed.
public struct TaskRecord: Sendable, Equatable {
  /// What became of it.
  public enum State: String, Sendable {
    /// It runs, or its machine died.
    case running
    /// It has left its result.
    case done
    /// It ended with an error.
    case failed
  }

  /// How often a task that runs notes that it does.
  static let interval = 5
  /// After so many seconds without a note a task counts as lost.
  public static let patience = 60
  /// The folder of the records in the plan's.
  static let folderName = "tasks"

  /// What became of it.
  public internal(set) var state = State.running
  /// Where it runs.
  public let host: String
  /// Its process there.
  public let process: Int
  /// What the engine calls it: "123_4".
  public let engineJob: String?
  /// When it began, in seconds since 1970.
  public let started: Int
  /// When it last noted anything.
  public internal(set) var updated: Int
  /// How often it was begun.
  public let attempt: Int
  /// Bytes that are done, of those of the task.
  public internal(set) var bytesDone = 0
  /// Why it failed.
  public internal(set) var error: String?

  /// A task that begins here and now.
  init(after earlier: TaskRecord?) {
    let identity = ProcessIdentity.current
    host = identity.host
    process = identity.process
    if let array = Environment["SLURM_ARRAY_JOB_ID"] {
      engineJob = "\(array)_\(Environment["SLURM_ARRAY_TASK_ID"] ?? "")"
    } else {
      engineJob = Environment["SLURM_JOB_ID"]
    }
    started = WallClock.seconds
    updated = started
    attempt = (earlier?.attempt ?? 0) + 1
  }

  /// Reads what a task noted last.
  ///
  /// - Returns: nil where it has not begun, or what is there can't be read.
  init?(_ number: Int, of plan: String) {
    let path = TaskRecord.path(of: number, in: plan)
    guard let text = try? ReadableFile.contents(of: path, limit: 1 << 20),
      let object = (try? JSONValue(parsing: text))?.object,
      let state = object["state"]?.string.flatMap(State.init),
      let host = object["host"]?.string, let process = object.count("process"),
      let started = object.count("started"),
      let updated = object.count("updated"),
      let attempt = object.count("attempt"),
      let bytesDone = object.count("bytes_done")
    else { return nil }
    self.state = state
    self.host = host
    self.process = process
    engineJob = object["job"]?.string
    self.started = started
    self.updated = updated
    self.attempt = attempt
    self.bytesDone = bytesDone
    error = object["error"]?.string
  }

  /// Notes it. A note that can't be written is none: what the task does is worth more.
  func write(_ number: Int, of plan: String) {
    let text = JSONValue.members([
      "state": .string(state.rawValue), "host": .string(host), "process": .integer(process),
      "job": engineJob.map(JSONValue.string), "attempt": .integer(attempt),
      "started": .integer(started), "updated": .integer(updated), "bytes_done": .integer(bytesDone),
      "error": error.map(JSONValue.string),
    ]).serialized()
    try? OutputFile.write(
      Array((text + "\n").utf8), to: TaskRecord.path(of: number, in: plan), replacing: true)
  }

  private static func path(of number: Int, in plan: String) -> String {
    Paths.join(Paths.join(plan, folderName), "\(number).json")
  }
}
