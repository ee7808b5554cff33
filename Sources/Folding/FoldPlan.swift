public import Adapters
public import Tensors

/// What a fold will do to every tensor, decided from headers before the first byte is written.
public struct FoldPlan: Sendable {
  /// The base weights.
  public let base: any TensorSource
  /// The adapters, in the order in which their deltas are added.
  public let inputs: [FoldInput]
  /// What decides the numbers.
  public let settings: FoldSettings
  /// Which tensor belongs to which update, adapter by adapter.
  public let matches: [BaseMatch]
  /// The tensors of the output by their position in the base; nil for scales that are multiplied in.
  public let output: [TensorInfo?]

  /// What changes, in the order of the first update of each.
  let parts: [FoldedPart]
  /// The parts of every tensor that changes.
  let partsOfTensor: [Int: [Int]]
  let scales: BlockScales

  /// Matches updates and tensors and decides what becomes of each tensor.
  ///
  /// - Throws: `BaseMatchError` that lists every update at fault, `FoldPlanError`.
  public init(base: any TensorSource, inputs: [FoldInput], settings: FoldSettings) throws {
    let known = TiedSource(base, settings.ties)
    let matches = try inputs.map { input in
      do throws(BaseMatchError) {
        return try BaseMatch(
          input.updates.map(BaseMatch.Wanted.init), in: known,
          allowingUnmatched: settings.allowsUnmatched,
          allowedDTypes: BaseMatch.arithmeticDTypes.union([.f8E4M3]))
      } catch {
        if let conflict = TiedSource.conflict(error, settings.ties) { throw conflict }
        throw error
      }
    }
    let scales = BlockScales(in: base)
    var parts = try FoldedPart.parts(of: inputs, matches.map(\.weights), in: base)
    try TiedSource.mirror(&parts, settings.ties, in: base) { contribution in
      matches[contribution.input].substitution.apply(BaseMatch.Wanted(contribution.update))
    }
    var partsOfTensor: [Int: [Int]] = [:]
    for (index, part) in parts.enumerated() {
      partsOfTensor[part.tensor, default: []].append(index)
      try FoldPlan.checkQuantisation(of: part, scales, base)
    }
    // Two that wait could wait for each other.
    precondition(inputs.count { $0.generations != nil } <= 1, "one adapter waits at most")
    self.base = base
    self.inputs = inputs
    self.settings = settings
    self.matches = matches
    self.parts = parts
    self.partsOfTensor = partsOfTensor
    self.scales = scales
    output = try base.tensors.enumerated().map { index, info in
      guard let dtype = settings.dtype else { return info }
      if scales.weight(of: index) != nil { return nil }
      guard info.dtype.isArithmetic || scales.scale(of: index) != nil else { return info }
      return try info.converted(to: dtype)
    }
  }

  /// The plan for one plain LoRA.
  ///
  /// - Throws: as the general plan.
  public init(
    base: any TensorSource, lora: any PlainLoRA, dtype: DType? = nil, allowingUnmatched: Bool
  ) throws {
    try self.init(
      base: base, inputs: [FoldInput(label: "the adapter", updates: lora.updates)],
      settings: FoldSettings(dtype: dtype, allowsUnmatched: allowingUnmatched))
  }

  private static func checkQuantisation(
    of part: FoldedPart, _ scales: BlockScales, _ base: any TensorSource
  ) throws(FoldPlanError) {
    let info = base.tensors[part.tensor]
    guard info.dtype == .f8E4M3 else { return }
    guard part.contributions[0].update.expert == nil else {
      throw .quantisedStack(weight: info.name)
    }
    guard scales.scale(of: part.tensor) != nil else {
      throw .noBlockScales(
        base: base.label, weight: info.name,
        expected:
          "'\(info.name)\(BlockScales.suffix)' of shape \(BlockScales.shape(for: info.shape))")
    }
  }

  /// The tensors of the output in the base's order.
  public var tensors: [TensorInfo] { output.compactMap { $0 } }

  /// Whether pieces must begin in the order of the updates.
  var isOrdered: Bool { inputs.contains { $0.generations != nil } }

  /// Number of tensors that change.
  public var foldedCount: Int { partsOfTensor.count }
  /// Number of tensors that are copied or converted.
  public var copiedCount: Int { output.count { $0 != nil } - foldedCount }
  /// Modules of updates that were left out, having no tensor.
  public var unmatched: [TensorName] {
    zip(inputs, matches).flatMap { input, match in
      zip(input.updates, match.weights).filter { $1 == nil }.map(\.0.module)
    }
  }

  /// What is planned for one part that changes.
  public struct PlannedPart: Sendable {
    /// The module that changes it.
    public let name: TensorName
    /// The tensor.
    public let weight: TensorName
    /// The kinds of adapter that go into it, in order.
    public let kinds: [String]
    /// Number of rows of the matrix that changes.
    public let rows: Int
    /// Number of its columns.
    public let columns: Int
    /// The rank of what is added, where that is a sum of products.
    public let rank: Int?
  }

  /// Everything that changes, in the order in which reports list it.
  public var changes: [PlannedPart] {
    parts.map { part in
      PlannedPart(
        name: part.name, weight: base.tensors[part.tensor].name,
        kinds: part.contributions.map(\.update.kind), rows: part.rows, columns: part.columns,
        rank: part.rank)
    }
  }

  /// The most working memory in bytes that running the plan takes: tiles of every thread, and the
  /// factors of the parts that can be in work at once.
  public func peakMemory(threads: Int) -> Int {
    let tile = base.tensors.indices.lazy.map(workingBytes(ofTensor:)).max() ?? 0
    let factors = parts.map(\.loadedElements).max() ?? 0
    // A thread at the end of one part's pieces and one at the start of the next; each factor exists
    // once as read and once as operand.
    return threads * tile + 2 * (threads + 1) * factors * 8
  }

  /// The most working memory that a piece of a tensor takes; a tensor that stays as it is may have
  /// millions of them, all alike.
  private func workingBytes(ofTensor tensor: Int) -> Int {
    let isCopied =
      partsOfTensor[tensor] == nil && scales.weight(of: tensor) == nil
      && output[tensor]?.dtype == base.tensors[tensor].dtype
    if isCopied { return base.tensors[tensor].byteCount == 0 ? 0 : 2 * RowTiles.stripBytes }
    return pieces(of: tensor).map(workingBytes).max() ?? 0
  }

  /// Working memory that a piece takes: tiles in and out, and off the quick path float64 tiles.
  private func workingBytes(_ piece: FoldPiece) -> Int {
    let bytes = piece.byteCount(self)
    let elements = bytes * 8 / max(1, base.tensors[piece.tensor].dtype.bitWidth)
    return switch piece.work {
    case .copy: 2 * RowTiles.stripBytes
    case .fold(let part, _, _) where isQuick(part):
      3 * RowTiles.stripBytes + 40 * parts[part].columns
    case .fold, .convert, .dequantise, .requantise: 2 * bytes + elements * 48
    }
  }

  /// Whether a part takes the path of the fold kernels: sums of products in the base's dtype.
  func isQuick(_ part: Int) -> Bool {
    let tensor = parts[part].tensor
    guard base.tensors[tensor].dtype == output[tensor]?.dtype,
      base.tensors[tensor].dtype.isArithmetic
    else { return false }
    return parts[part].contributions.allSatisfy { $0.update.isProduct }
  }

  /// The rows of each piece of a part.
  func tiles(of part: FoldedPart) -> [Range<Int>] {
    let info = base.tensors[part.tensor]
    if scales.scale(of: part.tensor) != nil { return BlockScales.tiles(of: info) }
    return RowTiles.ranges(
      rows: part.rows, rowBytes: part.columns * info.dtype.elementByteCount)
  }
}
