import Synchronization

/// A bar on standard error with rate and remaining time, for work that takes longer than a second;
/// none where standard error is no terminal, or with `--quiet`. Every update also checks for
/// interruption.
final class ProgressBar: Sendable {
  private let title: String
  private let countsBytes: Bool
  private let isShown: Bool
  private let start = ContinuousClock.now
  private let lastDrawn = Mutex<ContinuousClock.Instant?>(nil)

  /// - Parameter countsBytes: whether what is counted are bytes, else steps.
  init(_ title: String, isQuiet: Bool, countsBytes: Bool = true) {
    self.title = title
    self.countsBytes = countsBytes
    isShown = StandardError.isTerminal && !isQuiet
  }

  /// Takes in how far the work has come.
  ///
  /// - Throws: `Interruption`.
  func update(_ done: Int, of total: Int) throws {
    try Interruption.check()
    guard isShown, total > 0 else { return }
    let now = ContinuousClock.now
    guard now - start > .seconds(1) else { return }
    lastDrawn.withLock { last in
      if let last, now - last < .milliseconds(100), done < total { return }
      last = now
      draw(done, total, elapsed: now - start)
    }
  }

  /// Takes the bar off the screen.
  func finish() {
    lastDrawn.withLock { last in
      if last != nil { StandardError.write("\r\u{1b}[K") }
      last = nil
    }
  }

  private func draw(_ done: Int, _ total: Int, elapsed: Duration) {
    let width = 30
    let filled = done * width / total
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let seconds = elapsed / .seconds(1)
    let rate = Double(done) / seconds
    let remaining = rate > 0 ? Double(total - done) / rate : 0
    StandardError.write(
      "\r\u{1b}[K\(title) \(bar) \(done * 100 / total) %  "
        + (countsBytes ? "\(Format.bytes(Int(rate)))/s  " : "step \(done) of \(total)  ")
        + "\(Int(remaining.rounded(.up))) s left")
  }
}
