/// The sections of a `VerifyReportPage`.
struct VerifyReportLayout: Sendable {
  private let page: VerifyReportPage
  /// The names of all blocks any method measured, in the adapter's order.
  private let names: [String]
  private let grid: BlockGrid
  /// The label and the look of each method.
  private let labels: [String]
  private let styles: [SeriesStyle]
  /// The position of each block in a method's list.
  private let positions: [[Int?]]

  init(_ page: VerifyReportPage) {
    self.page = page
    names = page.adapter.blocks.map(\.name)
    grid = BlockGrid(names)
    let repeated = Dictionary(grouping: page.methods, by: \.name).filter { $1.count > 1 }
    labels = page.methods.map { method in
      guard repeated[method.name] != nil, let tokens = method.calibrationTokens else {
        return method.name
      }
      return "\(method.name), \(NumberText.count(tokens, "token"))"
    }
    styles = SeriesStyle.of(methods: page.methods.map(\.name))
    let names = names
    positions = page.methods.map { method in
      let found = Dictionary(
        method.blocks.enumerated().map { (Array($1.name.utf8), $0) }
      ) { first, _ in first }
      return names.map { found[Array($0.utf8)] }
    }
  }

  func shell(_ source: ReportSource) -> PageShell {
    let comparison = page.methods.count > 1 ? PageSection("methods", "Methods") { ranking } : nil
    let sections =
      [
        comparison,
        PageSection(
          "calibration", "Error and calibration", figures: [calibration?.figure]),
        PageSection("error", "Error of each block", figures: [panels()], side: maps()),
        PageSection("alpha", "Merge factors α", figures: [factors()]),
      ] + page.adapter.sections(grid)
      + [
        PageSection("table", "All numbers") {
          for run in page.methods.indices {
            table(run)
            if let fits = fits(run) { fits.markup }
          }
        }
      ]
    return PageShell(
      command: "verify", title: title, subject: page.adapter.label,
      subtitle: "\(page.adapter.format), \(page.adapter.structureTitle)", warnings: page.warnings,
      notes: page.adapter.notes, facts: facts, sections: sections, source: source)
  }

  private var title: String {
    page.methods.count == 1
      ? "What merging by \(page.methods[0].name) costs" : "What merging costs, method by method"
  }

  // MARK: Summary

  /// The position of the method with the least mean error.
  private var best: Int? {
    page.methods.indices.filter { page.methods[$0].meanDeltaError.isFinite }
      .min { page.methods[$0].meanDeltaError < page.methods[$1].meanDeltaError }
  }

  private var facts: Facts {
    var facts = Facts()
    if let best {
      let method = page.methods[best]
      if page.methods.count > 1 {
        facts.add(
          "Least mean error", mean(best), detail: "\(labels[best]), relative, low-rank term")
      } else {
        facts.add("Mean error", mean(best), detail: "relative, of the low-rank term")
      }
      if let output = method.meanOutputError {
        facts.add(
          "Mean error of the output",
          Figure(key: "mean_output_error", value: output, run: best, digits: 4),
          detail: page.methods.count > 1 ? labels[best] : "relative")
      }
      for (name, key, mean) in [
        ("Mean error that rounding added", "mean_stored_error", method.meanStoredError),
        ("Mean error as folded", "mean_folded_error", method.meanFoldedError),
      ] {
        guard let mean else { continue }
        facts.add(name, Figure(key: key, value: mean, run: best, digits: 4), detail: "relative")
      }
      if let worst = method.blocks.first(where: { $0.name == method.worstBlock }) {
        facts.add("Worst block", figure(worst, "delta_error", worst.deltaError, best))
      }
    }
    facts.add(
      "Measured on", NumberText.count(page.tokens, "token"), detail: page.activations)
    facts.add(
      "Blocks", NumberText.count(names.count), detail: page.base.map { "of \($0)" })
    return facts
  }

  private func mean(_ run: Int) -> Figure {
    Figure(key: "mean_delta_error", value: page.methods[run].meanDeltaError, run: run)
  }

  /// The methods beside each other, with a bar for each mean.
  private var ranking: Markup {
    let most = page.methods.map(\.meanDeltaError).filter(\.isFinite).max() ?? 1
    return DataTable(
      caption:
        "Means over all blocks of the relative error, in the order asked for; ★ has the least.",
      columns: [
        .init(title: "method", explanation: "", isNumber: false),
        .init(title: "calibrated on", explanation: "tokens the method was fitted to"),
        .init(
          title: "low-rank error", explanation: "of the low-rank term, ‖Δ_res − Δ_mer‖ / ‖Δ_res‖"),
        .init(title: "", explanation: "", isNumber: false),
        .init(
          title: "output error", explanation: "of the output, ‖Δ_res − Δ_mer‖ / ‖X Wᵀ + Δ_res‖"),
        .init(
          title: "worst block", explanation: "the block with the largest error", isNumber: false),
      ],
      rows: page.methods.indices.map { run in
        let method = page.methods[run]
        return (
          run == best ? "\(method.name) ★" : method.name,
          [
            .text(method.calibrationTokens.map { NumberText.count($0, "token") } ?? ""),
            .figure(mean(run)), .markup(bar(method.meanDeltaError / most, styles[run])),
            .figure(
              method.meanOutputError.map { Figure(key: "mean_output_error", value: $0, run: run) }),
            .text(method.worstBlock),
          ]
        )
      }, namesBlocks: false
    ).markup
  }

  private func bar(_ share: Double, _ style: SeriesStyle) -> Markup {
    guard share.isFinite, share >= 0 else { return Markup(joining: []) }
    let width = min(1, share) * 140
    return Markup(
      "svg",
      [
        "width": "140", "height": "10", "viewBox": "0 0 140 10", "aria-hidden": "true",
        "class": style.style,
      ]
    ) { Drawing.rect(0, 0, max(1, width), 10, radius: 2, ["class": "fill"]) }
  }

  private var calibration: CalibrationChart? {
    CalibrationChart(
      page.methods.indices.map { run in
        CalibrationChart.Run(
          name: page.methods[run].name, style: styles[run],
          tokens: page.methods[run].calibrationTokens, error: page.methods[run].meanDeltaError,
          position: run)
      })
  }

  // MARK: Blocks

  /// The run of each method that drawings with room for one each take: the one calibrated on most.
  private var shown: [Int] {
    page.methods.indices.filter { run in
      !page.methods.indices.contains { other in
        page.methods[other].name == page.methods[run].name
          && (page.methods[other].calibrationTokens ?? 0, other)
            > (page.methods[run].calibrationTokens ?? 0, run)
      }
    }
  }

  private var isReduced: Bool { shown.count < page.methods.count }

  private func values(_ run: Int, _ value: (VerifyReportPage.Block) -> Double?) -> [Double?] {
    positions[run].map { $0.flatMap { value(page.methods[run].blocks[$0]) } }
  }

  private func panels() -> PageFigure? {
    let series = shown.map { run in
      FamilyPanels.Series(
        name: labels[run], style: styles[run], key: "delta_error", run: run,
        values: values(run) { $0.deltaError }.map { $0.map { [$0] } ?? [] })
    }
    let note = isReduced ? " Of each method the run with most calibration tokens." : ""
    return FamilyPanels(
      title: "relative error", names: names, grid: grid, series: series, fromZero: true,
      mayBeLogarithmic: true
    ).figure(caption: "Relative error of the low-rank term by layer." + note)
  }

  private func maps() -> [PageFigure?] {
    let all = shown.map { values($0) { $0.deltaError } }
    let scale = HeatMap.scale(of: all.flatMap { $0 })
    return zip(shown, all).map { run, values in
      HeatMap(
        title: "Merged by \(labels[run])", explanation: "Relative error of the low-rank term.",
        key: "delta_error", run: run,
        names: names, values: values, grid: grid, scale: scale
      ).figure
    }
  }

  private func factors() -> PageFigure? {
    var series: [FamilyPanels.Series] = []
    for run in shown {
      let values = positions[run].map { $0.map { page.methods[run].blocks[$0].alpha } ?? [] }
      guard values.contains(where: { !$0.isEmpty }) else { continue }
      series.append(
        FamilyPanels.Series(
          name: labels[run], style: styles[run], key: "alpha", run: run, values: values,
          first: 0, isJoined: !values.contains { $0.count > 1 }))
    }
    guard !series.isEmpty else { return nil }
    let oracles = page.methods.indices.map { values($0) { $0.oracleAlpha } }
    if let run = oracles.firstIndex(where: { $0.contains { $0 != nil } }) {
      series.append(
        FamilyPanels.Series(
          name: "oracle", style: .oracle, key: "oracle_alpha", run: run,
          values: oracles[run].map { $0.map { [$0] } ?? [] }, isJoined: false,
          isHollow: true))
    }
    return FamilyPanels(
      title: "α", names: names, grid: grid, series: series, fromZero: false
    ).figure(
      caption: "The merge factor of each block; the oracle's is what least squares gives on the "
        + "tokens measured on.")
  }

  private func fits(_ run: Int) -> DataTable? {
    ReportedFit.table(
      "What each block was fitted to by \(labels[run]).",
      page.methods[run].blocks.map { ($0.name, $0.fit) }, run: run)
  }

  private func table(_ run: Int) -> Markup {
    DataTable(
      caption: "Every block, merged by \(labels[run]).",
      columns: [
        .init(title: "block", explanation: "", isNumber: false),
        .init(title: "Δ error", explanation: "‖Δ_res − Δ_mer‖ / ‖Δ_res‖"),
        .init(title: "output error", explanation: "‖Δ_res − Δ_mer‖ / ‖X Wᵀ + Δ_res‖"),
        .init(title: "worst token", explanation: "largest relative error of a token"),
        .init(title: "cosine", explanation: "between both low-rank terms"),
        .init(title: "α", explanation: "merge factors"),
        .init(title: "oracle α", explanation: "what least squares gives on the same tokens"),
        .init(title: "stored error", explanation: "what rounding in the folded weight added"),
        .init(title: "folded error", explanation: "merge and rounding together"),
      ] + ReportedCut.columns,
      rows: page.methods[run].blocks.map { block in
        (
          block.name,
          [
            .figure(figure(block, "delta_error", block.deltaError, run)),
            .figure(block.outputError.map { figure(block, "output_error", $0, run) }),
            .figure(figure(block, "max_token_error", block.maxTokenError, run)),
            .figure(figure(block, "cosine", block.cosine, run)),
            .figures(
              block.alpha.enumerated().map { figure(block, "alpha.\($0)", $1, run) }),
            .figure(block.oracleAlpha.map { figure(block, "oracle_alpha", $0, run) }),
            .figure(block.storedError.map { figure(block, "stored_error", $0, run) }),
            .figure(block.foldedError.map { figure(block, "folded_error", $0, run) }),
          ] + ReportedCut.cells(block.cut) { figure(block, $0, $1, run) }
        )
      }
    ).markup
  }

  private func figure(
    _ block: VerifyReportPage.Block, _ key: String, _ value: Double, _ run: Int
  ) -> Figure {
    Figure(block: block.name, key: key, value: value, run: run)
  }
}
