/// One broken rule of the Spec, in words.
public struct Violation: Sendable, Equatable {
  /// How bad it is.
  public enum Severity: String, Sendable {
    /// The file is not valid.
    case error
    /// The file is valid, and something in it is probably not meant.
    case warning
  }

  /// The rule as the Spec is cited ("Container §3.2"), or nil where no page of ours has it.
  public let rule: String?
  /// How bad it is.
  public let severity: Severity
  /// One line: the file, what was found, what was expected.
  public let message: String

  /// Notes a broken rule.
  public init(rule: String?, severity: Severity = .error, message: String) {
    self.rule = rule
    self.severity = severity
    self.message = message
  }
}

/// What a reader does with rules that a file breaks: it throws the first one, or, for a list of all,
/// notes each and goes on as far as that makes sense.
package final class RuleCheck {
  /// Whether it notes instead of throwing.
  package let isCollecting: Bool
  /// Called now and then where all of a file is read; an error it throws stops the work.
  package let progress: @Sendable () throws -> Void
  /// Whether any broken rule was noted; warnings do not count.
  package private(set) var hasErrors = false
  private var noted: [Violation] = []
  private var counts: [Violation.Severity: Int] = [:]

  /// The most violations of each severity that are noted: a file can break millions of rules.
  package static let limit = 1000

  private init(isCollecting: Bool, progress: @escaping @Sendable () throws -> Void) {
    self.isCollecting = isCollecting
    self.progress = progress
  }

  /// Throws the first broken rule and ignores warnings.
  package static var throwing: RuleCheck { RuleCheck(isCollecting: false) {} }
  /// Notes everything, and has readers check all that they can.
  package static func collecting(
    progress: @escaping @Sendable () throws -> Void = {}
  ) -> RuleCheck {
    RuleCheck(isCollecting: true, progress: progress)
  }

  /// What was noted, in the order found, and whether there was more.
  package var violations: [Violation] {
    guard counts.values.contains(where: { $0 > RuleCheck.limit }) else { return noted }
    let more = "more than \(RuleCheck.limit) of a kind; the rest is not listed"
    return noted + [Violation(rule: nil, severity: .warning, message: more)]
  }

  /// Whether another broken rule would not be listed, so that a reader need not look for more.
  package var isFull: Bool { counts[.error, default: 0] > RuleCheck.limit }

  private func note(_ violation: Violation) {
    counts[violation.severity, default: 0] += 1
    if violation.severity == .error { hasErrors = true }
    if counts[violation.severity, default: 0] <= RuleCheck.limit { noted.append(violation) }
  }

  /// Deals with a broken rule.
  package func broken(_ error: any RuleViolation) throws {
    guard isCollecting else { throw error }
    note(Violation(rule: error.rule, message: error.description))
  }

  /// Notes something odd that no reader minds.
  package func warn(_ warning: any RuleViolation) {
    guard isCollecting else { return }
    note(Violation(rule: warning.rule, severity: .warning, message: warning.description))
  }

  /// Notes something odd that no rule of ours speaks of.
  package func warn(_ message: String, rule: String? = nil) {
    guard isCollecting else { return }
    note(Violation(rule: rule, severity: .warning, message: message))
  }

  /// Runs what checks a rule and throws where it is broken; nil where that was noted.
  package func attempt<Result>(_ rule: String?, _ body: () throws -> Result) throws -> Result? {
    guard isCollecting else { return try body() }
    do {
      return try body()
    } catch let error as any DiagnosableError where error.failureKind == .badData {
      let cited = (error as? any RuleViolation)?.rule ?? rule
      note(Violation(rule: cited, message: error.description))
      return nil
    }
  }
}
