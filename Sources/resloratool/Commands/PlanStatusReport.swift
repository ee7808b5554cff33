import ByteIO
import Planning
import Tensors

/// What `plan status` tells.
struct PlanStatusReport {
  let status: PlanStatus
  /// What was given to the cluster again.
  let resubmitted: [Int]

  private let plan: Plan

  init(_ plan: Plan, _ status: PlanStatus, resubmitted: [Int]) {
    self.plan = plan
    self.status = status
    self.resubmitted = resubmitted
  }

  var json: JSONValue {
    .members([
      "plan": .string(plan.path),
      "output": .string(plan.output),
      "finished": .bool(status.isFinished),
      "bytes_done": .integer(status.bytesDone),
      "bytes_total": .integer(status.bytesTotal),
      "bytes_per_second": status.rate.map(JSONValue.double),
      "stages": .array(plan.tasks.stages.map(json(of:))),
      "missing": .array(status.missing.map(JSONValue.integer)),
      "resubmitted": .array(resubmitted.map(JSONValue.integer)),
      "tasks": .array(plan.tasks.indices.map(json(ofTask:))),
    ])
  }

  private func count(_ stage: PlannedTask.Stage, _ state: PlanStatus.State) -> Int {
    plan.tasks.numbers(of: stage).filter { status.states[$0] == state }.count
  }

  private func json(of stage: PlannedTask.Stage) -> JSONValue {
    .members([
      "stage": .string(stage.rawValue), "tasks": .integer(plan.tasks.numbers(of: stage).count),
      "done": .integer(count(stage, .done)), "running": .integer(count(stage, .running)),
      "failed": .integer(count(stage, .failed)), "lost": .integer(count(stage, .lost)),
      "waiting": .integer(count(stage, .waiting)),
    ])
  }

  private func json(ofTask number: Int) -> JSONValue {
    let (task, record) = (plan.tasks[number], status.records[number])
    return .members([
      "task": .integer(number), "stage": .string(task.stage.rawValue), "name": .string(task.name),
      "state": .string(status.states[number].rawValue),
      "queued": status.queued.map { .bool($0.contains(number)) },
      "host": record.map { .string($0.host) }, "job": record?.engineJob.map(JSONValue.string),
      "attempts": .integer(record?.attempt ?? 0),
      "seconds": record.map { .integer($0.updated - $0.started) },
      "bytes_done": record.map { .integer($0.bytesDone) },
      "error": record?.error.map(JSONValue.string),
    ])
  }

  var text: String {
    var table = Table(
      [("stage", .left), ("tasks", .right)]
        + PlanStatus.State.allCases.map { ($0.rawValue, .right) })
    for stage in plan.tasks.stages {
      table.append(
        [stage.rawValue, "\(plan.tasks.numbers(of: stage).count)"]
          + PlanStatus.State.allCases.map { "\(count(stage, $0))" })
    }
    var lines = table.text
    for number in status.numbers(.failed, .lost).prefix(20) { lines += line(number) + "\n" }
    if !resubmitted.isEmpty {
      lines += "given to Slurm again: \(PlanError.name(of: resubmitted))\n"
    }
    if status.isFinished { return lines + "\(plan.output.escapedForTerminal) is complete\n" }
    let rate = status.rate.map { ", \(Format.bytes(Int($0)))/s" } ?? ""
    lines +=
      "\(Format.bytes(status.bytesDone)) of \(Format.bytes(status.bytesTotal)) done\(rate)\n"
    let missing = status.missing
    if status.isStuck, !missing.isEmpty {
      let word = plan.path.quotedForShell.escapedForTerminal
      lines +=
        status.queued == nil
        ? "run again with 'resloratool plan run \(word) --task N': \(PlanError.name(of: missing))\n"
        : "\(PlanError.name(of: missing)) not done and not on the way: 'resloratool plan status "
          + "\(word) --retry' gives Slurm what is missing\n"
    }
    return lines
  }

  private func line(_ number: Int) -> String {
    let (task, record) = (plan.tasks[number], status.records[number])
    let place =
      record.map { record in
        " on \(record.host.escapedForTerminal)"
          + (record.engineJob.map { ", job \($0.escapedForTerminal)" } ?? "")
      } ?? ""
    let age = record.map { PlanError.age(WallClock.seconds - $0.updated) } ?? ""
    let what =
      status.states[number] == .lost
      ? "no word for \(age)"
      : "failed \(age) ago: \(record?.error?.escapedForTerminal ?? "")"
    return
      "task \(number) (\(task.stage.rawValue), \(task.name.escapedForTerminal)\(place)): \(what)"
  }
}
