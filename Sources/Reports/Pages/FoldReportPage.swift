internal import ByteIO

/// A page about a fold: what became of every delta in the stored weights.
public struct FoldReportPage: Sendable {
  /// The adapters that were folded.
  public var adapters: [FoldedAdapter]
  /// The base.
  public var base: String
  /// Where the result was written.
  public var output: String
  /// The files it is in.
  public var files: [String]
  /// The figures of everything that changed.
  public var weights: [Weight]
  /// Tensors that were changed.
  public var changedCount: Int
  /// Tensors that were copied as they were, or converted.
  public var copiedCount: Int
  /// Bytes of tensors written.
  public var byteCount: Int
  /// How long all took.
  public var seconds: Double
  /// What the user should not overlook, one line each.
  public var warnings: [String]
  /// What was concluded on the way, one line each.
  public var notes: [String]

  /// One of the adapters.
  public struct FoldedAdapter: Sendable {
    /// What to call it, usually its path.
    public var label: String
    /// The format and the kinds of its updates, in words.
    public var kind: String
    /// The merge method; nil where nothing was to be merged.
    public var method: String?
    /// What its deltas were multiplied by.
    public var weight: Double

    /// Describes an adapter.
    public init(label: String, kind: String, method: String? = nil, weight: Double = 1) {
      self.label = label
      self.kind = kind
      self.method = method
      self.weight = weight
    }
  }

  /// What became of the delta of one weight (Folding §3.3).
  public struct Weight: Sendable {
    /// The module that changes it.
    public var name: String
    /// The tensor.
    public var weight: String
    /// `‖Δ‖`
    public var deltaNorm: Double
    /// The share of elements that did not change though their delta is not zero.
    public var unchangedShare: Double
    /// `‖(W′ − W) − Δ‖ / ‖Δ‖`
    public var realisedError: Double

    /// States the figures.
    public init(
      name: String, weight: String, deltaNorm: Double, unchangedShare: Double,
      realisedError: Double
    ) {
      self.name = name
      self.weight = weight
      self.deltaNorm = deltaNorm
      self.unchangedShare = unchangedShare
      self.realisedError = realisedError
    }
  }

  /// Describes a fold.
  public init(
    adapters: [FoldedAdapter], base: String, output: String, files: [String], weights: [Weight],
    changedCount: Int, copiedCount: Int, byteCount: Int, seconds: Double, warnings: [String] = [],
    notes: [String] = []
  ) {
    self.adapters = adapters
    self.base = base
    self.output = output
    self.files = files
    self.weights = weights
    self.changedCount = changedCount
    self.copiedCount = copiedCount
    self.byteCount = byteCount
    self.seconds = seconds
    self.warnings = warnings
    self.notes = notes
  }

  /// The page as HTML, complete in itself.
  public func html(_ source: ReportSource) -> String {
    let grid = BlockGrid(weights.map(\.weight))
    return PageShell(
      command: "fold", title: title, subject: subject, subtitle: subtitle, warnings: warnings,
      notes: notes,
      facts: facts,
      sections: [
        adapters.count > 1 ? PageSection("adapters", "Adapters") { adapterTable.markup } : nil,
        PageSection("change", "What became of the deltas", side: maps(grid)),
        PageSection("table", "All numbers") { table.markup },
        files.count > 1
          ? PageSection("files", "Files") {
            Markup("ul", ["class": "notes"]) { for file in files { Markup("li") { file } } }
          } : nil,
      ], source: source
    ).html
  }

  private var title: String {
    "Folded into \(Paths.name(of: base))"
  }

  private var subject: String {
    adapters.map(\.label).joined(separator: " + ")
  }

  private var subtitle: String {
    guard adapters.count == 1, let adapter = adapters.first else { return "one sum of deltas" }
    return adapter.kind + (adapter.method.map { ", merged by \($0)" } ?? "")
  }

  private var facts: Facts {
    var facts = Facts()
    facts.add(
      "Weights folded", NumberText.count(changedCount),
      detail: "\(NumberText.count(copiedCount)) copied as they were")
    if let worst = most(weights.map { figure($0, "unchanged_share", $0.unchangedShare, true) }) {
      facts.add("Most elements unchanged", worst)
    }
    if let worst = most(weights.map { figure($0, "realised_error", $0.realisedError) }) {
      facts.add("Largest realised error", worst)
    }
    if let most = most(weights.map { figure($0, "delta_norm", $0.deltaNorm) }) {
      facts.add("Largest ‖Δ‖", most)
    }
    if adapters.count == 1, let adapter = adapters.first, adapter.weight != 1 {
      facts.add("Weight of the adapter", NumberText.short(adapter.weight))
    }
    facts.add("Written and verified", NumberText.bytes(byteCount), detail: output)
    facts.add("Time", "\(NumberText.fixed(seconds, decimals: seconds < 10 ? 2 : 0)) s")
    return facts
  }

  private func most(_ figures: [Figure]) -> Figure? {
    figures.filter(\.value.isFinite).max { $0.value < $1.value }
  }

  private func maps(_ grid: BlockGrid) -> [PageFigure] {
    guard !weights.isEmpty else { return [] }
    func map(
      _ title: String, _ explanation: String, _ key: String, isShare: Bool = false,
      _ value: (Weight) -> Double
    ) -> PageFigure {
      HeatMap(
        title: title, explanation: explanation, key: key, isShare: isShare,
        names: weights.map(\.weight), values: weights.map(value), grid: grid,
        scale: HeatMap.scale(of: weights.map(value))
      ).figure
    }
    return [
      map(
        "Unchanged elements", "The share that did not change though their delta is not zero.",
        "unchanged_share", isShare: true, \.unchangedShare),
      map(
        "Realised error", "‖(W′ − W) − Δ‖ / ‖Δ‖ of the weight as it is stored.", "realised_error",
        \.realisedError),
      map("‖Δ‖", "The norm of the sum of all deltas.", "delta_norm", \.deltaNorm),
    ]
  }

  private var adapterTable: DataTable {
    DataTable(
      caption: "What was added up, in order.",
      columns: [
        .init(title: "adapter", explanation: "", isNumber: false),
        .init(title: "kind", explanation: "", isNumber: false),
        .init(title: "method", explanation: "how its links were merged", isNumber: false),
        .init(title: "weight", explanation: "what its deltas are multiplied by"),
      ],
      rows: adapters.map {
        (
          $0.label,
          [.text($0.kind), .text($0.method ?? ""), .text(NumberText.short($0.weight))]
        )
      }, namesBlocks: false)
  }

  private var table: DataTable {
    DataTable(
      caption: "Every weight that changed.",
      columns: [
        .init(title: "weight", explanation: "", isNumber: false),
        .init(title: "‖Δ‖", explanation: "norm of what was added"),
        .init(
          title: "unchanged",
          explanation: "share of elements that did not change though their delta is not zero"),
        .init(title: "realised error", explanation: "‖(W′ − W) − Δ‖ / ‖Δ‖"),
      ],
      rows: weights.map { weight in
        (
          weight.weight,
          [
            .figure(figure(weight, "delta_norm", weight.deltaNorm)),
            .figure(figure(weight, "unchanged_share", weight.unchangedShare, true)),
            .figure(figure(weight, "realised_error", weight.realisedError)),
          ]
        )
      })
  }

  private func figure(
    _ weight: Weight, _ key: String, _ value: Double, _ isShare: Bool = false
  ) -> Figure {
    Figure(block: weight.weight, key: key, value: value, digits: 6, isShare: isShare)
  }
}
