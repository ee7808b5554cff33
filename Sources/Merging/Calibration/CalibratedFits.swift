internal import Activations
package import Adapters
package import LinearAlgebra
internal import Replaying
package import Tensors

/// The fits that a merge by `calibrated` is made of: one for each matrix of inputs, of all blocks that
/// it is the input of. They do not depend on each other, so that a merge on one machine runs them in
/// order, and tasks run them anywhere (Replay §9).
package struct CalibratedFits: Sendable {
  /// The blocks that are fitted together.
  package struct Group: Sendable {
    /// The matrix of their inputs, by its position among the captured ones.
    package let matrix: Int
    /// Its name.
    package let name: TensorName
    /// Its features.
    package let features: Int
    /// The blocks, by their position in the adapter.
    package let blocks: [Int]
    /// Which of the two systems is solved.
    package let form: RidgeSystems.Form
    /// The rows of t, those of all blocks below each other.
    package let rowCount: Int
    /// The matrices of inputs that the blocks' shortcuts take.
    package let others: [Int]
  }

  /// What is merged.
  package let adapter: Adapter
  /// The groups, in the order of the captured matrices.
  package let groups: [Group]
  /// The folds of the cross-validation: tokens by number.
  package let folds: [Range<Int>]

  private let calibration: Calibration
  private let inputs: MergeInputs

  /// Divides the blocks of an adapter that have a shortcut to fit.
  ///
  /// - Throws: `MergeError.notForStructure`, `MergeError.missingCalibration`,
  ///   `MergeError.publishedCalibration`.
  package init(_ adapter: Adapter, _ inputs: MergeInputs) throws(MergeError) {
    let calibration = try inputs.calibration(for: adapter, CalibratedMerge.name)
    let captured = calibration.inputs
    let linked = adapter.blocks.indices.filter {
      !adapter.topology.predecessors(of: $0).isEmpty
    }
    groups = captured.byMatrix(linked).map { matrix, blocks in
      let features = captured.features(of: matrix)
      let predecessors = blocks.flatMap { adapter.topology.predecessors(of: $0) }
      return Group(
        matrix: matrix, name: captured.matrices.tensors[matrix].name, features: features,
        blocks: blocks,
        form: RidgeSystems.form(tokens: captured.tokens, features: features).form,
        rowCount: blocks.reduce(0) {
          $0 + min(adapter.blocks[$1].rank, adapter.blocks[$1].outFeatures)
        }, others: Set(predecessors.map { captured.matrixOfBlock[$0] }).sorted())
    }
    folds = RidgeFit.folds(captured.tokens)
    self.adapter = adapter
    self.inputs = inputs
    self.calibration = calibration
  }

  // MARK: Fitting

  /// How often `step` is called for a group.
  package func steps(of group: Int) -> Int {
    RidgeFit.steps(tokens: calibration.inputs.tokens, penalty: calibration.penalty)
  }

  /// Fits the blocks of a group.
  ///
  /// Memory: what one `RidgeSystem` takes, and the maps of the blocks.
  ///
  /// - Parameters:
  ///   - paper: the paper's merge of all blocks, where there is one.
  ///   - source: where the sums of the folds come from in the primal form; nil computes them.
  /// - Throws: `CaptureError.nonFinite`, `LinearAlgebraError`, errors of reading.
  package func fit(
    _ group: Int, paper: PaperMerge?, source: (any FoldSource)? = nil, step: () throws -> Void
  ) throws -> [BlockMerge] {
    let blocks = groups[group].blocks
    let priors = try paper.map { paper in
      try blocks.map {
        try adapter.shortcutMap(of: $0, paper.merges[$0].combination, inputs.allowsNonFinite)
      }
    }
    let fit = try BLAS.withoutOwnThreads(on: inputs.threads) {
      try RidgeFit(
        targets(of: group), paper: priors, penalty: calibration.penalty, source: source,
        threads: inputs.threads, step: step)
    }
    return blocks.indices.map { position in
      let choice = fit.choices[position]
      return BlockMerge(
        .corrected(fit.maps[position]),
        fit: BlockFit(
          tokens: calibration.inputs.tokens,
          prior: choice.takesSlopes ? BlockFit.slopes : paper?.method ?? BlockFit.slopes,
          penalty: choice.penalty, lambda: choice.penalty * fit.meanEigenvalue,
          crossValidatedError: choice.error, condition: choice.condition))
    }
  }

  /// The fits of a group with `‖W + Δ‖` of each block, by a pass over their weights; as they are without
  /// a base.
  ///
  /// - Throws: `BaseMatchError`, errors of reading.
  package func measured(
    _ fitted: [BlockMerge], of group: Int, paper: PaperMerge?
  ) throws -> [BlockMerge] {
    let blocks = groups[group].blocks
    var merges = merges(paper: paper, fitted: [])
    for (block, merge) in zip(blocks, fitted) { merges[block] = merge }
    let lora = MergedLoRA(adapter, merges, allowsNonFinite: inputs.allowsNonFinite)
    let norms = try inputs.foldedNorms(of: lora, blocks: blocks)
    return zip(blocks, fitted).map { block, merge in
      BlockMerge(
        merge.combination, alpha: merge.alpha, norm: merge.norm, foldedNorm: norms[block],
        fit: merge.fit, trials: merge.trials)
    }
  }

  /// The merges of all blocks.
  ///
  /// - Parameter fitted: those of every group, as `fit` gave them.
  package func merges(paper: PaperMerge?, fitted: [[BlockMerge]]) -> [BlockMerge] {
    // What has no shortcut to fit is exact in every merge but none.
    var merges = paper?.merges ?? adapter.unfitted
    for (group, own) in zip(groups, fitted) {
      for (block, merge) in zip(group.blocks, own) { merges[block] = merge }
    }
    return merges
  }

  private func targets(of group: Int) throws -> CalibrationTargets {
    try CalibrationTargets(
      adapter, matrix: groups[group].matrix, blocks: groups[group].blocks, calibration.inputs,
      inputs)
  }

  // MARK: Sums of folds

  /// Sums over the tokens of one fold, for a group in the primal form: `Σ x xᵀ` in the upper matrix of
  /// a pair, which is all that is held of features² numbers, and the others.
  ///
  /// - Throws: `CaptureError.nonFinite`, `LinearAlgebraError`, errors of reading.
  package func sums(
    of group: Int, fold: Int
  ) throws -> (gram: SymmetricPair, part: FoldPart) {
    let features = Double(groups[group].features)
    try RidgeSystems.requireMemory(8 * features * features)
    return try BLAS.withoutOwnThreads(on: inputs.threads) {
      let source = ComputedFolds(
        targets: try targets(of: group), folds: folds, threads: inputs.threads)
      let gram = try SymmetricPair(size: groups[group].features)
      return (gram, try source.read(fold, into: gram, withSums: true))
    }
  }

  /// The sums of a group over no token, whose numbers others may take the place of.
  package func noSums(of group: Int) -> TokenSums {
    let group = groups[group]
    return TokenSums(
      rows: group.rowCount, blocks: group.blocks.count, features: group.features,
      others: group.others)
  }

  /// The bytes of captured inputs that summing over some tokens reads, or a fit that computes all
  /// sums: each matrix twice, which are of different stages.
  package func bytesRead(of group: Int, tokens: Int) -> Int {
    let matrices = [groups[group].matrix] + groups[group].others
    return matrices.reduce(0) { $0 + 2 * tokens * calibration.inputs.rowBytes(of: $1) }
  }
}

extension Adapter {
  /// The merges of blocks without a shortcut to fit (Merging §4.6).
  fileprivate var unfitted: [BlockMerge] {
    blocks.map { _ in
      guard structure == .inputShortcut else { return BlockMerge(.scaled(1)) }
      let alpha = rootFactor(.standard)
      return BlockMerge(.scaled(1 + alpha), alpha: [alpha])
    }
  }

  /// What a merge puts in place of a block's shortcut: `R_0` with `A* = A_n + R_0`, [rank, in].
  func shortcutMap(
    of block: Int, _ combination: BlockMerge.Combination, _ allowsNonFinite: Bool
  ) throws -> Matrix {
    switch combination {
    case .scaled(let factor):
      return try blocks[block].a.load(allowingNonFinite: allowsNonFinite).scaled(by: factor - 1)
    case .mixed(let alpha):
      let nothing = Matrix(rows: blocks[block].rank, columns: blocks[block].inFeatures)
      return try mixed(nothing, alpha, topology.predecessors(of: block), allowsNonFinite)
    case .corrected(let map): return map
    case .joined: preconditionFailure("no combination of is and ms")
    }
  }
}
