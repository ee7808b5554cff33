internal import Tensors

/// What an adapter's file says beside its tensors (Adapter §1), the same in every format of ours.
struct AdapterContent {
  /// The value of `format` that marks an adapter.
  static let format = "reslora-adapter"
  /// The one version there is.
  static let version = 1

  var structure: Structure
  var root: RootRule
  var reach: PredecessorCount
  var baseModel: String?
  var metadata: [(key: String, value: String)]
  var blocks: [BlockContent]

  /// What one block says beside its factors.
  struct BlockContent {
    let name: TensorName
    let scaling: Double
    let previous: TensorName?
    let pairs: Int
    let windows: NormWindows
    let base: BaseWeight?
  }

  /// What is to be written of an adapter.
  init(_ adapter: Adapter) {
    structure = adapter.structure
    root = adapter.topology.root
    reach = adapter.topology.reach
    baseModel = adapter.provenance.baseModel
    metadata = adapter.provenance.metadata
    blocks = adapter.blocks.enumerated().map { position, block in
      BlockContent(
        name: block.name, scaling: block.scaling,
        previous: adapter.topology.previous[position].map { adapter.blocks[$0].name },
        pairs: block.a.pieces.count, windows: block.windows, base: block.base)
    }
  }

  /// What is to be written of a plain LoRA.
  init(_ lora: any PlainLoRA, _ provenance: Provenance) {
    structure = .plain
    root = .ownInput
    reach = .all
    baseModel = provenance.baseModel
    metadata = provenance.metadata
    blocks = lora.blocks.map {
      BlockContent(
        name: $0.name, scaling: $0.scaling, previous: nil, pairs: 1, windows: NormWindows(),
        base: nil)
    }
  }
}

/// The names of factors (Adapter §1.3).
enum FactorName {
  /// `lora_A`, or `lora_A.k` where several pairs are stacked.
  static func a(_ pair: Int, of pairs: Int) -> String { name("lora_A", pair, pairs) }
  /// `lora_B`, or `lora_B.k`.
  static func b(_ pair: Int, of pairs: Int) -> String { name("lora_B", pair, pairs) }

  private static func name(_ factor: String, _ pair: Int, _ pairs: Int) -> String {
    pairs == 1 ? factor : "\(factor).\(pair)"
  }

  /// The tensor of a block's factor (Adapter §2.3).
  static func tensor(_ block: TensorName, _ factor: String) -> TensorName {
    TensorName("\(block.string).\(factor)")
  }

  /// All tensors of an adapter in the order of its blocks and pairs, A before B.
  static func tensors(of content: AdapterContent) -> [TensorName] {
    content.blocks.flatMap { block in
      (0..<block.pairs).flatMap { pair in
        [
          tensor(block.name, a(pair, of: block.pairs)),
          tensor(block.name, b(pair, of: block.pairs)),
        ]
      }
    }
  }
}
