import Adapters
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Shapes along links (Merging §3.2).
@Suite(.timeLimit(.minutes(10))) struct LinkShapeTests {
  private struct Shape {
    var inFeatures = 4
    var outFeatures = 6
    var rank = 2
  }

  /// A chain 0, 1, 2, … of blocks of these shapes.
  private func chain(
    _ structure: Structure, reach: Int = -1, _ shapes: [Shape]
  ) throws -> Adapter {
    let names = shapes.indices.map { TensorName("block.\($0)") }
    let blocks = try zip(names, shapes).map { name, shape in
      let source = try MemoryTensorSource([
        TestTensor("a", [shape.rank, shape.inFeatures]),
        TestTensor("b", [shape.outFeatures, shape.rank]),
      ])
      return try Block(
        name: name, a: Factor([TensorReference(source: source, index: 0)], join: .rows),
        b: Factor([TensorReference(source: source, index: 1)], join: .columns), scaling: 1)
    }
    let topology = try Topology(
      structure: structure, root: .ownInput, reach: #require(PredecessorCount(reach)), names: names,
      previous: [nil] + names.dropLast())
    return try Adapter(
      label: "chain", format: "test", blocks: blocks, topology: topology, notes: [])
  }

  private func expectMismatch(
    _ structure: Structure, reach: Int = -1, _ odd: Shape, _ what: String, _ found: Int,
    _ expected: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: AdapterError.self, sourceLocation: sourceLocation) {
      try chain(structure, reach: reach, [Shape(), Shape(), odd, Shape()])
    }
    #expect(
      error
        == .linkMismatch(
          block: "block.2", predecessor: "block.1", what: what, found: found, expected: expected),
      sourceLocation: sourceLocation)
    #expect(
      error?.description == "block 'block.2': \(what) differ from those of its predecessor "
        + "'block.1' (found \(found), expected \(expected))", sourceLocation: sourceLocation)
  }

  @Test("is: in features must agree, out features and rank need not")
  func inputShortcut() throws {
    expectMismatch(.inputShortcut, Shape(inFeatures: 5), "in features", 5, 4)
    let odd = Shape(outFeatures: 9, rank: 1)
    #expect(try chain(.inputShortcut, [Shape(), odd]).blocks.count == 2)
  }

  @Test(
    "bs: in and out features must agree, rank need not, however far it reaches",
    arguments: [-1, 0, 1, 4])
  func blockShortcut(_ reach: Int) throws {
    expectMismatch(.blockShortcut, reach: reach, Shape(inFeatures: 5), "in features", 5, 4)
    expectMismatch(.blockShortcut, reach: reach, Shape(outFeatures: 7), "out features", 7, 6)
    #expect(try chain(.blockShortcut, reach: reach, [Shape(), Shape(rank: 1)]).blocks.count == 2)
  }

  @Test(
    "ms: in features and rank must agree as far as it reaches, out features need not",
    arguments: [-1, 1, 2])
  func middleShortcut(_ reach: Int) throws {
    expectMismatch(.middleShortcut, reach: reach, Shape(inFeatures: 5), "in features", 5, 4)
    expectMismatch(.middleShortcut, reach: reach, Shape(rank: 3), "rank", 3, 2)
    #expect(
      try chain(.middleShortcut, reach: reach, [Shape(), Shape(outFeatures: 1)]).blocks.count == 2)
  }

  @Test("ms that reaches nowhere needs no agreement; plain never does")
  func needless() throws {
    let odd = Shape(inFeatures: 5, outFeatures: 1, rank: 3)
    #expect(try chain(.middleShortcut, reach: 0, [Shape(), odd]).blocks.count == 2)
    #expect(try chain(.plain, [Shape(), odd]).blocks.count == 2)
  }

  @Test("ms: stacked pairs must agree pair by pair")
  func stackedPairs() throws {
    func block(_ name: TensorName, _ ranks: [Int]) throws -> Block {
      let source = try MemoryTensorSource(
        ranks.enumerated().flatMap { pair, rank in
          [
            TestTensor(TensorName("a\(pair)"), [rank, 4]),
            TestTensor(TensorName("b\(pair)"), [4, rank]),
          ]
        })
      let references = source.tensors.indices.map { TensorReference(source: source, index: $0) }
      return try Block(
        name: name,
        a: Factor(
          references.enumerated().filter { $0.offset % 2 == 0 }.map(\.element), join: .rows),
        b: Factor(
          references.enumerated().filter { $0.offset % 2 == 1 }.map(\.element), join: .columns),
        scaling: 1)
    }
    func adapter(_ first: [Int], _ second: [Int]) throws -> Adapter {
      try Adapter(
        label: "stack", format: "test", blocks: [block("x", first), block("y", second)],
        topology: Topology(
          structure: .middleShortcut, root: .ownInput, reach: .all, names: ["x", "y"],
          previous: [nil, "x"]), notes: [])
    }
    #expect(try adapter([1, 3], [1, 3]).blocks.count == 2)
    #expect(
      throws: AdapterError.linkMismatch(
        block: "y", predecessor: "x", what: "rank of a stacked pair", found: 3, expected: 1)
    ) { try adapter([1, 3], [3, 1]) }
  }

  @Test("a chain of 20,000 blocks that all reach to its root is checked at once")
  func longChain() throws {
    let adapter = try chain(.middleShortcut, [Shape](repeating: Shape(), count: 20_000))
    #expect(adapter.topology.predecessors(of: 19_999).count == 19_999)
  }
}
