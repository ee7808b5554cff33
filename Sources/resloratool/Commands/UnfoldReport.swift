import ByteIO
import FoldJobs
import Tensors

/// What `fold --undo-from` tells of its result.
struct UnfoldReport {
  private let job: UnfoldJob
  private let output: String
  private let isDryRun: Bool
  private let seconds: Double

  init(_ job: UnfoldJob, output: String, isDryRun: Bool, seconds: Double) {
    self.job = job
    self.output = output
    self.isDryRun = isDryRun
    self.seconds = seconds
  }

  var json: JSONValue {
    .members([
      "output": .string(output), "dry_run": .bool(isDryRun),
      "tensors_changed": .integer(job.changed.count), "bytes_written": .integer(job.byteCount),
      "seconds": .double(seconds), "verified": .bool(!isDryRun),
      "notes": .array(job.notes.map(JSONValue.string)),
    ])
  }

  var text: String {
    let notes = job.notes.map { "note: \($0)\n" }.joined()
    let what =
      "\(output.escapedForTerminal) (\(Format.bytes(job.byteCount))): \(job.changed.count) tensors "
      + "taken back"
    if isDryRun { return notes + "would write \(what); nothing was written\n" }
    return notes + "wrote \(what), proved by SHA-256, \(Format.fixed(seconds, decimals: 2)) s\n"
  }
}
