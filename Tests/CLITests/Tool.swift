import ByteIO
import Foundation
import TestSupport
import Testing

/// Runs the built command line.
enum Tool {
  /// What a run left behind.
  struct Outcome {
    let status: Int32
    /// Whether a signal ended the process.
    let isSignal: Bool
    let output: String
    let error: String

    /// Standard output as strict JSON.
    func json() throws -> JSONObject {
      try #require(try JSONValue(parsing: Array(output.utf8)).object)
    }
  }

  /// The binary beside the test bundle, or what RESLORATOOL names.
  static let path: String = {
    if let path = ProcessInfo.processInfo.environment["RESLORATOOL"] { return path }
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    return bundle.appendingPathComponent("resloratool").path
  }()

  /// Runs the tool in a folder.
  static func run(
    _ arguments: [String], in folder: String, environment: [String: String] = [:]
  ) throws -> Outcome {
    try run(executable: path, arguments, in: folder, environment: environment)
  }

  /// Runs a shell line in which `$TOOL` is the tool.
  static func shell(_ line: String, in folder: String) throws -> Outcome {
    try run(
      executable: "/bin/sh", ["-c", line], in: folder, environment: ["TOOL": path])
  }

  private static func run(
    executable: String, _ arguments: [String], in folder: String, environment: [String: String]
  ) throws -> Outcome {
    let process = try start(executable: executable, arguments, in: folder, environment: environment)
    return try process.wait()
  }

  /// A process that runs, its output going to files.
  struct Running {
    let process: Process
    fileprivate let files: TemporaryFolder

    /// Waits for the end.
    func wait() throws -> Outcome {
      process.waitUntilExit()
      func text(_ name: String) throws -> String {
        String(
          decoding: try ReadableFile.contents(of: files.file(name), limit: 1 << 28), as: UTF8.self)
      }
      return Outcome(
        status: process.terminationStatus, isSignal: process.terminationReason == .uncaughtSignal,
        output: try text("out"), error: try text("err"))
    }
  }

  static func start(_ arguments: [String], in folder: String) throws -> Running {
    try start(executable: path, arguments, in: folder, environment: [:])
  }

  private static func start(
    executable: String, _ arguments: [String], in folder: String, environment: [String: String]
  ) throws -> Running {
    let files = TemporaryFolder()
    try files.write([], to: "out")
    try files.write([], to: "err")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: files.file("out"))
    process.standardError = FileHandle(forWritingAtPath: files.file("err"))
    try process.run()
    return Running(process: process, files: files)
  }
}

extension TemporaryFolder {
  /// A folder with copies of a fixture's files.
  convenience init(copying fixture: FixtureCase) throws {
    self.init()
    for name in try FileManager.default.contentsOfDirectory(atPath: fixture.path("")) {
      try FileManager.default.copyItem(atPath: fixture.path(name), toPath: file(name))
    }
    if !entries.contains("base.safetensors") {
      try FileManager.default.copyItem(atPath: fixture.basePath, toPath: file("base.safetensors"))
    }
  }
}
