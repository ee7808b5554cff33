import Foundation

/// What the benchmarks share: time, random numbers, tables, Python.
enum Measuring {
  /// How long something takes.
  static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let duration = try ContinuousClock().measure(body).components
    return Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
  }

  /// The shortest of several rounds.
  static func best(of rounds: Int, _ body: () throws -> Void) rethrows -> Double {
    try (0..<rounds).map { _ in try seconds(body) }.min() ?? .infinity
  }

  static func number(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// Prints a line of a table; the first column is aligned to the left, the others to the right.
  static func row(_ cells: [String], widths: [Int]) {
    print(
      zip(cells, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
        return column == 0 ? cell.0 + space : space + cell.0
      }.joined(separator: " "))
  }

  /// A new folder in `parent`, or among the system's temporary files; removed after `body`.
  static func inFolder(_ parent: String?, _ body: (String) throws -> Void) throws {
    let id = ProcessInfo.processInfo.processIdentifier
    let folder = "\(parent ?? NSTemporaryDirectory())/reslora-benchmark-\(id)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  /// The numbers that a Python script beside this file prints, run by the interpreter that
  /// RESLORA_PYTHON names; nil, saying so, where there is none or it fails.
  static func python(_ script: String, _ arguments: [String]) throws -> [Double]? {
    guard let python = ProcessInfo.processInfo.environment["RESLORA_PYTHON"] else {
      print("(RESLORA_PYTHON names no interpreter: no comparison with h5py)")
      return nil
    }
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: python)
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent(script).path
    process.arguments = [path] + arguments
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      print("(\(python) can't run \(script))")
      return nil
    }
    return output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
  }
}

/// Random numbers, the same in every run.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A normal number, by Box and Muller.
  mutating func normal() -> Double {
    let u = Double(next() >> 11 + 1) / 0x1p53
    let v = Double(next() >> 11) / 0x1p53
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }
}
