internal import Adapters
internal import Tensors

/// A base in which the name of a tied parameter that is not stored leads to the one that is.
struct TiedSource: TensorSource {
  private let base: any TensorSource
  private let aliases: [TensorName: TensorName]

  init(_ base: any TensorSource, _ ties: [TiedTensors]) {
    self.base = base
    var aliases: [TensorName: TensorName] = [:]
    for tie in ties {
      aliases[tie.embedding] = tie.output
      aliases[tie.output] = tie.embedding
    }
    self.aliases = aliases
  }

  var label: String { base.label }
  var tensors: [TensorInfo] { base.tensors }

  func index(of name: TensorName) -> Int? {
    base.index(of: name) ?? aliases[name].flatMap(base.index(of:))
  }

  func read(
    tensor index: Int, at byteOffset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws { try unsafe base.read(tensor: index, at: byteOffset, into: buffer) }

  /// What two updates of one stored parameter mean where it has two names.
  static func conflict(_ error: BaseMatchError, _ ties: [TiedTensors]) -> FoldPlanError? {
    for case .sharedWeight(_, _, let weight) in error.faults {
      if let tie = ties.first(where: { weight == $0.embedding || weight == $0.output }) {
        return .tieBroken(embedding: tie.embedding, output: tie.output)
      }
    }
    return nil
  }

  /// Gives both tensors of a tie that the base stores twice the same change.
  ///
  /// - Parameter name: the tensor that a contribution asks for, by the name of its module.
  /// - Throws: `FoldPlanError.tieBroken` where each has one of its own, `FoldPlanError.tieShapes`.
  static func mirror(
    _ parts: inout [FoldedPart], _ ties: [TiedTensors], in base: any TensorSource,
    name: (FoldedPart.Contribution) -> TensorName?
  ) throws(FoldPlanError) {
    for tie in ties {
      guard let embedding = base.index(of: tie.embedding), let output = base.index(of: tie.output)
      else {
        // One is stored: updates of either name came together in one part.
        guard let stored = base.index(of: tie.embedding) ?? base.index(of: tie.output) else {
          continue
        }
        for part in parts where part.tensor == stored {
          let names = Set(part.contributions.compactMap(name))
          guard !names.isSuperset(of: [tie.embedding, tie.output]) else {
            throw .tieBroken(embedding: tie.embedding, output: tie.output)
          }
        }
        continue
      }
      let shapes = [embedding, output].map { base.tensors[$0].shape }
      let changed = [embedding, output].map { tensor in parts.filter { $0.tensor == tensor } }
      switch (changed[0].isEmpty, changed[1].isEmpty) {
      case (true, true): continue
      case (false, false): throw .tieBroken(embedding: tie.embedding, output: tie.output)
      case (false, true), (true, false):
        guard shapes[0] == shapes[1] else {
          throw .tieShapes(
            embedding: tie.embedding, output: tie.output, found: shapes[1], expected: shapes[0])
        }
        parts +=
          changed[0].map { $0.moved(to: output) } + changed[1].map { $0.moved(to: embedding) }
      }
    }
  }
}

extension FoldedPart {
  fileprivate func moved(to tensor: Int) -> FoldedPart {
    FoldedPart(
      tensor: tensor, firstRow: firstRow, rows: rows, columns: columns, contributions: contributions
    )
  }
}
