/// How a block was fitted on captured inputs (Replay §4.4).
public struct ReportedFit: Sendable {
  /// The method that was taken, where several were tried.
  public var taken: String?
  /// The merge that the fit is drawn towards.
  public var prior: String?
  /// c, how strongly; infinite where that merge was left as it is.
  public var penalty: Double?
  /// The error that cross-validation expects on other tokens.
  public var expectedError: Double?
  /// What the condition number of the system is at most.
  public var condition: Double?

  /// States what is known.
  public init(
    taken: String? = nil, prior: String? = nil, penalty: Double? = nil,
    expectedError: Double? = nil, condition: Double? = nil
  ) {
    self.taken = taken
    self.prior = prior
    self.penalty = penalty
    self.expectedError = expectedError
    self.condition = condition
  }

  /// The fits of blocks by their names; nil where no block was fitted. A table of its own, for one of
  /// all numbers would be too wide to print.
  static func table(
    _ caption: String, _ fits: [(name: String, fit: ReportedFit?)], run: Int? = nil
  ) -> DataTable? {
    let fitted = fits.compactMap { name, fit in fit.map { (name: name, fit: $0) } }
    guard !fitted.isEmpty else { return nil }
    return DataTable(
      caption: caption,
      columns: [
        .init(title: "block", explanation: "", isNumber: false),
        .init(title: "method", explanation: "what auto took for the block", isNumber: false),
        .init(
          title: "towards", explanation: "the merge that the fit is drawn towards", isNumber: false),
        .init(title: "c", explanation: "how strongly; ∞ leaves that merge as it is"),
        .init(
          title: "expected error", explanation: "on other tokens, estimated by cross-validation"),
        .init(title: "condition", explanation: "condition number of the fitted system, at most"),
      ],
      rows: fitted.map { name, fit in
        func cell(_ key: String, _ value: Double?) -> DataTable.Cell {
          .figure(value.map { Figure(block: name, key: key, value: $0, run: run) })
        }
        return (
          name,
          [
            .text(fit.taken ?? ""), .text(fit.prior ?? ""),
            fit.penalty == .infinity ? .text("∞") : cell("fit.c", fit.penalty),
            cell("fit.cross_validated_error", fit.expectedError),
            cell("fit.condition", fit.condition),
          ]
        )
      }, namesBlocks: false)
  }
}

/// What cutting a block's rank lost (Merging §4.9, Replay §5).
public struct ReportedCut: Sendable {
  /// The relative error of the cut.
  public var error: Double
  /// That of the cut by plain SVD to the same rank, where captured inputs decided what was kept.
  public var plainError: Double?

  /// States what was lost.
  public init(error: Double, plainError: Double? = nil) {
    self.error = error
    self.plainError = plainError
  }

  static let columns: [DataTable.Column] = [
    .init(title: "rank error", explanation: "relative error of the cut rank"),
    .init(title: "by plain SVD", explanation: "what a cut without captured inputs would lose"),
  ]

  /// The cells of a block under `columns`.
  static func cells(
    _ cut: ReportedCut?, _ figure: (_ key: String, _ value: Double) -> Figure
  ) -> [DataTable.Cell] {
    [
      .figure(cut.map { figure("truncation_error", $0.error) }),
      .figure(cut?.plainError.map { figure("svd_truncation_error", $0) }),
    ]
  }
}
