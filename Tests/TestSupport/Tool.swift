public import ByteIO
public import Foundation

/// Runs the built command line.
public enum Tool {
  /// What a run left behind.
  public typealias Outcome = Program.Outcome

  /// The binary beside the test bundle, or what RESLORATOOL names.
  public static let path: String = {
    if let path = ProcessInfo.processInfo.environment["RESLORATOOL"] { return path }
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    return bundle.appendingPathComponent("resloratool").path
  }()

  /// Runs the tool in a folder.
  public static func run(
    _ arguments: [String], in folder: String, environment: [String: String] = [:]
  ) throws -> Outcome {
    try start(arguments, in: folder, environment: environment).wait()
  }

  /// Starts the tool in a folder.
  public static func start(
    _ arguments: [String], in folder: String, environment: [String: String] = [:]
  ) throws -> Program {
    try Program(path, arguments, in: folder, environment: environment)
  }

  /// Runs a shell line in which `$TOOL` is the tool.
  public static func shell(_ line: String, in folder: String) throws -> Outcome {
    try Program("/bin/sh", ["-c", line], in: folder, environment: ["TOOL": path]).wait()
  }
}

/// A process that runs, its output going to files.
public struct Program {
  /// What a run left behind.
  public struct Outcome: Sendable {
    /// The exit status, or the signal.
    public let status: Int32
    /// Whether a signal ended the process.
    public let isSignal: Bool
    /// Standard output.
    public let output: String
    /// Standard error.
    public let error: String

    /// Standard output as one strict JSON object.
    public func json() throws -> JSONObject {
      guard let object = try JSONValue(parsing: Array(output.utf8)).object else {
        throw NoObject(output: output)
      }
      return object
    }
  }

  /// Standard output is JSON, but no object.
  public struct NoObject: Error { let output: String }

  /// The running process.
  public let process: Process
  private let files: TemporaryFolder

  /// Starts a program, by its path, in a folder; `input` is its standard input.
  public init(
    _ executable: String, _ arguments: [String], in folder: String = ".",
    environment: [String: String] = [:], input: String? = nil
  ) throws {
    files = TemporaryFolder()
    try files.write([], to: "out")
    try files.write([], to: "err")
    process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    if let input {
      process.standardInput = FileHandle(
        forReadingAtPath: try files.write(input.utf8, to: "in"))
    }
    process.standardOutput = FileHandle(forWritingAtPath: files.file("out"))
    process.standardError = FileHandle(forWritingAtPath: files.file("err"))
    try process.run()
  }

  /// Waits for the end.
  public func wait() throws -> Outcome {
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      String(
        decoding: try ReadableFile.contents(of: files.file(name), limit: 1 << 28), as: UTF8.self)
    }
    return Outcome(
      status: process.terminationStatus, isSignal: process.terminationReason == .uncaughtSignal,
      output: try text("out"), error: try text("err"))
  }

  /// Whether a program is in one of the folders of PATH.
  public static func isInstalled(_ name: String) -> Bool { path(of: name) != nil }

  /// The path of a program in one of the folders of PATH.
  public static func path(of name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}

extension TemporaryFolder {
  /// A folder with copies of a fixture's files.
  public convenience init(copying fixture: FixtureCase) throws {
    self.init()
    for name in try FileManager.default.contentsOfDirectory(atPath: fixture.path("")) {
      try FileManager.default.copyItem(atPath: fixture.path(name), toPath: file(name))
    }
    if !entries.contains("base.safetensors") {
      try FileManager.default.copyItem(atPath: fixture.basePath, toPath: file("base.safetensors"))
    }
  }
}
