import Adapters
import Tensors
import TestSupport
import Testing

/// Predecessors, chains and orders of a topology (Merging §2.5, §3.1).
@Suite struct TopologyTests {
  /// Blocks 0, 1, 2, … with their predecessors by number.
  private func topology(
    _ previous: [Int?], _ structure: Structure = .blockShortcut, reach: Int = -1
  ) throws -> Topology {
    try Topology(
      structure: structure, root: .ownInput, reach: #require(PredecessorCount(reach)),
      names: previous.indices.map { TensorName("\($0)") },
      previous: previous.map { $0.map { TensorName("\($0)") } })
  }

  /// A tree: 3 is the root, 1 and 4 follow it, 0 follows 1, 2 follows 0; 5 stands alone.
  private let tree: [Int?] = [1, 3, 0, nil, 3, nil]

  @Test(
    "predecessors, nearest first, as far as pre_num reaches",
    arguments: [
      (0, [[], [], [], [], [], []]),
      (1, [[1], [3], [0], [], [3], []]),
      (2, [[1, 3], [3], [0, 1], [], [3], []]),
      (3, [[1, 3], [3], [0, 1, 3], [], [3], []]),
      (-1, [[1, 3], [3], [0, 1, 3], [], [3], []]),
      (.max, [[1, 3], [3], [0, 1, 3], [], [3], []]),
    ])
  func predecessors(_ reach: Int, _ expected: [[Int]]) throws {
    for structure in [Structure.blockShortcut, .middleShortcut] {
      let topology = try topology(tree, structure, reach: reach)
      #expect(tree.indices.map(topology.predecessors(of:)) == expected)
    }
  }

  @Test("is has one predecessor and plain none, whatever pre_num says", arguments: [-1, 0, 2])
  func otherStructures(_ reach: Int) throws {
    let input = try topology(tree, .inputShortcut, reach: reach)
    #expect(tree.indices.map(input.predecessors(of:)) == [[1], [3], [0], [], [3], []])
    let plain = try topology(tree, .plain, reach: reach)
    #expect(tree.indices.map(plain.predecessors(of:)) == [[], [], [], [], [], []])
  }

  @Test("pre_num is -1 or more", arguments: [-2, .min])
  func badReach(_ number: Int) { #expect(PredecessorCount(number) == nil) }

  @Test("-1 means all")
  func allPredecessors() { #expect(PredecessorCount(-1) == .all) }

  @Test("chains lead from a root to a block without successor")
  func chains() throws {
    #expect(try topology(tree).chains == [[3, 1, 0, 2], [3, 4], [5]])
    #expect(try topology([nil, 0, 1]).chains == [[0, 1, 2]])
    #expect(try topology([nil, nil]).chains == [[0], [1]])
    #expect(try topology([]).chains.isEmpty)
  }

  @Test("roots first: every block once, after its predecessor")
  func rootsFirst() throws {
    #expect(try topology(tree).rootsFirst == [3, 1, 0, 2, 4, 5])
    var generator = SeededGenerator(seed: 34)
    for _ in 0..<200 {
      // A random forest under random names: links go from later to earlier in a hidden order.
      let count = Int.random(in: 1...40, using: &generator)
      let hidden = Array(0..<count).shuffled(using: &generator)
      var previous = [Int?](repeating: nil, count: count)
      for position in 1..<max(2, count) where position < count {
        guard Int.random(in: 0..<5, using: &generator) > 0 else { continue }
        previous[hidden[position]] = hidden[Int.random(in: 0..<position, using: &generator)]
      }
      let order = try topology(previous).rootsFirst
      #expect(order.sorted() == Array(0..<count))
      var places = [Int](repeating: 0, count: count)
      for (place, block) in order.enumerated() { places[block] = place }
      for (block, predecessor) in previous.enumerated() {
        guard let predecessor else { continue }
        #expect(places[predecessor] < places[block])
      }
    }
  }

  @Test(
    "a cycle names a block on it",
    arguments: [
      ([0], "0"), ([1, 0], "0"), ([1, 2, 3, 1], "1"), ([nil, 0, 3, 4, 2], "2"), ([1, 1], "1"),
    ] as [([Int?], TensorName)])
  func cycle(_ previous: [Int?], _ block: TensorName) {
    #expect(throws: AdapterError.cycle(block: block)) { try topology(previous) }
  }

  @Test("a predecessor that is no block")
  func unknown() {
    #expect(throws: AdapterError.unknownPredecessor(block: "1", found: "7")) {
      try topology([nil, 7])
    }
  }

  @Test("names composed and decomposed are two blocks")
  func canonicalEquivalents() throws {
    let topology = try Topology(
      structure: .inputShortcut, root: .nothing, reach: .all, names: ["\u{e9}", "e\u{301}"],
      previous: ["e\u{301}", nil])
    #expect(topology.previous == [1, nil])
    #expect(topology.rootsFirst == [1, 0])
    #expect(topology.root == .nothing)
  }

  @Test("a chain of 100,000 blocks, listed backwards, needs no recursion")
  func longChain() throws {
    let count = 100_000
    let topology = try topology((0..<count).map { $0 == count - 1 ? nil : $0 + 1 })
    #expect(topology.rootsFirst.first == count - 1)
    #expect(topology.rootsFirst.last == 0)
    #expect(topology.chains.map(\.count) == [count])
  }
}
