import Foundation
import TestSupport
import Testing

/// Runs the tool with little memory and a watchdog.
enum Confined {
  /// Far more than any run takes, also on a busy machine.
  static let seconds = 120.0

  /// Runs the tool; a run that does not end by itself is killed, and then counts as a signal.
  static func run(_ run: HostileRun, in folder: String) throws -> Program.Outcome {
    let program = try Program(
      "/bin/sh", ["-c", limit(run.memory) + run.shell, "sh", Tool.path] + run.arguments,
      in: folder,
      // Else the address space grows with the number of cores.
      environment: run.environment.merging(
        ["MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"]) { $1 })
    let deadline = Date(timeIntervalSinceNow: seconds)
    while program.process.isRunning {
      if Date() > deadline {
        Issue.record(
          "still running after \(Int(seconds)) s: \(run.arguments.joined(separator: " "))")
        kill(program.process.processIdentifier, SIGKILL)
        break
      }
      usleep(2000)
    }
    return try program.wait()
  }

  private static func limit(_ memory: Int) -> String {
    MemoryLimits.arePossible ? "ulimit -S -v \(memory >> 10); " : ""
  }
}
