/// A page about a merge: what became of every block, the factors, and the links that were merged.
public struct MergeReportPage: Sendable {
  /// The adapter that was merged.
  public var adapter: ReportedAdapter
  /// The method that was used.
  public var method: String
  /// Why, where it is not the one asked for.
  public var reason: String?
  /// Whose numbers it gave: "standard" or "lmops".
  public var profile: String
  /// Where the result was written.
  public var output: String
  /// The size of the tensors written, in bytes.
  public var byteCount: Int
  /// The figures of each block, in the order of the adapter's blocks.
  public var blocks: [Block]
  /// What the user should not overlook, one line each.
  public var warnings: [String]

  /// The figures of one merged block (Merging §5.4).
  public struct Block: Sendable {
    /// The name of its module.
    public var name: String
    /// The merge factors.
    public var alpha: [Double]
    /// The rank of the result.
    public var rank: Int
    /// `‖s B A‖` of the result.
    public var deltaNorm: Double
    /// The norm the method took of the block, f or f*.
    public var norm: Double?
    /// `‖W + s B A‖`, where the base was given.
    public var foldedNorm: Double?
    /// What cutting the rank lost, where it was cut.
    public var cut: ReportedCut?
    /// How the block was fitted, where it was.
    public var fit: ReportedFit?

    /// States the figures.
    public init(
      name: String, alpha: [Double], rank: Int, deltaNorm: Double, norm: Double? = nil,
      foldedNorm: Double? = nil, cut: ReportedCut? = nil, fit: ReportedFit? = nil
    ) {
      self.name = name
      self.alpha = alpha
      self.rank = rank
      self.deltaNorm = deltaNorm
      self.norm = norm
      self.foldedNorm = foldedNorm
      self.cut = cut
      self.fit = fit
    }
  }

  /// Describes a merge.
  public init(
    adapter: ReportedAdapter, method: String, reason: String? = nil, profile: String = "standard",
    output: String, byteCount: Int, blocks: [Block], warnings: [String] = []
  ) {
    self.adapter = adapter
    self.method = method
    self.reason = reason
    self.profile = profile
    self.output = output
    self.byteCount = byteCount
    self.blocks = blocks
    self.warnings = warnings
  }

  /// The page as HTML, complete in itself.
  public func html(_ source: ReportSource) -> String {
    let grid = BlockGrid(blocks.map(\.name))
    let sections =
      [
        PageSection("change", "What the merge adds", side: maps(grid)),
        PageSection("alpha", "Merge factors α", figures: [factors(grid)]),
        fits.map { table in PageSection("fit", "Fits on captured inputs") { table.markup } },
      ] + adapter.sections(grid) + [PageSection("table", "All numbers") { table.markup }]
    return PageShell(
      command: "merge", title: "Merged by \(method)", subject: adapter.label,
      subtitle: subtitle, warnings: warnings, notes: adapter.notes, facts: facts(grid),
      sections: sections, source: source
    ).html
  }

  private var subtitle: String {
    let published = profile == "standard" ? "" : ", as the published code computes it"
    return "\(adapter.format), \(adapter.structureTitle), to a plain LoRA\(published)"
  }

  private func facts(_ grid: BlockGrid) -> Facts {
    var facts = Facts()
    facts.add("Method", method, detail: reason)
    facts.add("Blocks", NumberText.count(blocks.count), detail: shape(grid))
    let ranks = Set(blocks.map(\.rank)).sorted()
    if let first = ranks.first, let last = ranks.last {
      facts.add("Rank of the result", first == last ? "\(first)" : "\(first) – \(last)")
    }
    facts.add("Merge factors α", rangeOf: blocks.flatMap(alphas), detail: "least and greatest")
    if let most = blocks.map(deltaNorm).filter(\.value.isFinite).max(by: { $0.value < $1.value }) {
      facts.add("Largest ‖Δ‖", most)
    }
    let cut = blocks.compactMap(truncationError).filter(\.value.isFinite)
    if let most = cut.max(by: { $0.value < $1.value }) {
      facts.add("Largest error of the cut rank", most)
    }
    facts.add("Written", NumberText.bytes(byteCount), detail: output)
    return facts
  }

  private func shape(_ grid: BlockGrid) -> String? {
    grid.isSequence
      ? nil
      : "\(NumberText.count(grid.families.count)) × "
        + NumberText.count(grid.layers.count, "layer")
  }

  private func maps(_ grid: BlockGrid) -> [PageFigure?] {
    func map(
      _ title: String, _ explanation: String, _ key: String, _ value: (Block) -> Double?
    ) -> PageFigure? {
      let values = blocks.map(value)
      guard values.contains(where: { $0 != nil }) else { return nil }
      return HeatMap(
        title: title, explanation: explanation, key: key, names: blocks.map(\.name),
        values: values, grid: grid, scale: HeatMap.scale(of: values)
      ).figure
    }
    return [
      map("‖Δ‖", "The norm of what the block adds to its weight.", "delta_norm", \.deltaNorm),
      map(
        "Error of the cut rank", "Relative to what the block added before the cut.",
        "truncation_error", \.cut?.error),
      map(
        "Expected error", "Of the fit, on other tokens, estimated by cross-validation.",
        "fit.cross_validated_error", \.fit?.expectedError),
      map("‖W + Δ‖", "The norm of the merged weight.", "folded_norm", \.foldedNorm),
    ]
  }

  private func factors(_ grid: BlockGrid) -> PageFigure? {
    let isMix = blocks.contains { $0.alpha.count > 1 }
    return FamilyPanels(
      title: "α", names: blocks.map(\.name), grid: grid,
      series: isMix
        ? FamilyPanels.mix(blocks.map(\.alpha))
        : [.init(name: "α", style: .only, key: "alpha", values: blocks.map(\.alpha), first: 0)],
      fromZero: false
    ).figure(
      caption: isMix
        ? "The factors by which each block mixes its predecessors' projections into its own."
        : "The merge factor of each block.")
  }

  private var fits: DataTable? {
    ReportedFit.table("What each block was fitted to.", blocks.map { ($0.name, $0.fit) })
  }

  private var table: DataTable {
    DataTable(
      caption: "Every block in module order.",
      columns: [
        .init(title: "block", explanation: "", isNumber: false),
        .init(title: "α", explanation: "merge factors"),
        .init(title: "rank", explanation: "rank of the result"),
        .init(title: "f", explanation: "the norm that the method took of the block"),
        .init(title: "‖Δ‖", explanation: "norm of what the block adds to its weight"),
        .init(title: "‖W + Δ‖", explanation: "norm of the merged weight"),
      ] + ReportedCut.columns,
      rows: blocks.map { block in
        (
          block.name,
          [
            .figures(alphas(block)), .integer(block.rank),
            .figure(block.norm.map { figure(block, "norm", $0) }),
            .figure(figure(block, "delta_norm", block.deltaNorm)),
            .figure(block.foldedNorm.map { figure(block, "folded_norm", $0) }),
          ] + ReportedCut.cells(block.cut) { figure(block, $0, $1) }
        )
      })
  }

  // MARK: Figures

  private func figure(_ block: Block, _ key: String, _ value: Double) -> Figure {
    Figure(block: block.name, key: key, value: value, digits: 6)
  }

  private func deltaNorm(_ block: Block) -> Figure {
    Figure(block: block.name, key: "delta_norm", value: block.deltaNorm)
  }

  private func truncationError(_ block: Block) -> Figure? {
    block.cut.map { Figure(block: block.name, key: "truncation_error", value: $0.error) }
  }

  private func alphas(_ block: Block) -> [Figure] {
    block.alpha.enumerated().map {
      Figure(block: block.name, key: "alpha.\($0)", value: $1)
    }
  }
}
