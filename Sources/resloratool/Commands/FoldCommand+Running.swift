import Adapters
import ByteIO
import FoldJobs
import Folding
import Reports
import Tensors

/// What `fold` does beside a plain fold: in place, back, and by a plan.
extension FoldCommand {
  func runInPlace(
    _ job: FoldJob, isResumed: Bool, _ report: FoldCommandReport,
    _ start: ContinuousClock.Instant
  ) throws {
    let folder = Paths.absolute(".").quotedForShell
    let command =
      "cd \(folder) && " + CommandLine.arguments.map(\.quotedForShell).joined(separator: " ")
    let base = job.request.base
    let bar = ProgressBar("folding", isQuiet: common.quiet)
    defer { bar.finish() }
    var report = report
    do {
      try job.runInPlace(
        undo: isResumed ? nil : fold.undo, command: command, on: foldMachine,
        progress: { try bar.update($0.bytesDone, of: $0.bytesTotal) }
      ) { result in
        bar.finish()
        report.result = result
        try report.show(page, common, since: start)
      }
    } catch {
      guard (try? FoldJob.isPending(inPlace: base)) == true else { throw error }
      let remains =
        report.result == nil
        ? "\(base.escapedForTerminal) is half folded; run the same command again to finish"
        : "\(base.escapedForTerminal) is folded; run the same command again to confirm it"
      if let interruption = error as? Interruption {
        throw Interruption(number: interruption.number, remains: remains)
      }
      StandardError.write("warning: \(remains)\n")
      throw error
    }
  }

  /// The base out of what was folded.
  func takeBack(_ undo: String, _ start: ContinuousClock.Instant) throws {
    guard let into, let path = output.path else { preconditionFailure("validated") }
    try OutputOptions.check(path, against: [into, undo])
    try FoldJob.checkNotPending([into])
    let job = try UnfoldJob(undo: undo, folded: into)
    try job.check(output: path, replacing: target.force)
    if !target.isDryRun {
      try withProgress {
        try job.run(to: path, replacing: target.force, on: foldMachine, progress: $0)
      }
    }
    let report = UnfoldReport(
      job, output: path, isDryRun: target.isDryRun,
      seconds: (ContinuousClock.now - start) / .seconds(1))
    try common.print(report.json, report.text)
  }
}
