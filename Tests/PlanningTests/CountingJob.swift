import ByteIO
import Foundation
import Planning
import Synchronization
import Tensors
import Testing

/// A job whose tasks do nothing but count, and may fail.
final class CountingJob: PlannedJob {
  struct Failure: DiagnosableError {
    let failureKind = FailureKind.resource
    let description = "the disk is full"
  }

  static let kind = "counting"

  let output: String
  let tasks: [PlannedTask]
  let inputs: JSONValue
  private let done = Mutex<Set<Int>>([])
  private let failing: Set<Int>
  private let label: String

  init(
    output: String, tasks: [PlannedTask] = CountingJob.tasks(folds: 3), failing: Set<Int> = [],
    label: String = "a", inputs: String = "x"
  ) {
    self.output = output
    self.tasks = tasks
    self.failing = failing
    self.label = label
    self.inputs = .string(inputs)
  }

  static func tasks(folds: Int, statistics: Int = 0) -> [PlannedTask] {
    func task(_ stage: PlannedTask.Stage, _ part: Int) -> PlannedTask {
      PlannedTask(
        stage: stage, part: part, name: "part \(part)", bytesRead: 100, bytesWritten: 10 * part)
    }
    return (0..<statistics).map { task(.statistics, $0) }
      + (statistics > 0 ? [task(.combine, 0)] : []) + (0..<folds).map { task(.fold, $0) }
      + [task(.finish, 0)]
  }

  var requestJSON: JSONValue { .members(["label": .string(label)]) }
  var fingerprint: String { label }

  func change(since inputs: JSONValue) -> String? { inputs == self.inputs ? nil : "the letter" }

  func finishedTasks(of plan: String) throws -> [Bool] {
    if try isPublished(by: plan) { return tasks.map { _ in true } }
    try checkOutput(replacing: false)
    return done.withLock { done in tasks.indices.map(done.contains) }
  }

  func run(
    task number: Int, of plan: String, on machine: Void,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void
  ) throws -> Bool {
    try progress(1, 2)
    if number == tasks.count - 1 {
      return try unlessPublished(by: plan, replacing: false) {
        try OutputFile.write([1], to: output + ".work", replacing: true)
        try Publication.note(nil, of: output + ".work", in: plan)
        #expect(rename(output + ".work", output) == 0)
        return true
      } ?? false
    }
    if failing.contains(number) { throw Failure() }
    return done.withLock { $0.insert(number).inserted }
  }
}
