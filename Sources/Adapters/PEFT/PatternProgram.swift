/// A pattern as a list of steps that are all followed at once.
enum PatternProgram {
  enum Instruction: Sendable {
    case one(Unicode.Scalar)
    case any
    case set(ScalarSet)
    case start
    case end
    case split(Int, Int)
    case jump(Int)
    case accept
  }

  /// The most steps a pattern may unroll to.
  static let maximumSize = 20_000

  static func compile(_ node: PatternNode, key: String) throws(PatternError) -> [Instruction] {
    var program: [Instruction] = []
    try append(node, to: &program, key: key)
    program.append(.accept)
    return program
  }

  private static func append(
    _ node: PatternNode, to program: inout [Instruction], key: String
  ) throws(PatternError) {
    guard program.count < maximumSize else { throw .tooLarge(pattern: key, limit: maximumSize) }
    switch node {
    case .one(let scalar): program.append(.one(scalar))
    case .any: program.append(.any)
    case .set(let set): program.append(.set(set))
    case .start: program.append(.start)
    case .end: program.append(.end)
    case .sequence(let nodes): for node in nodes { try append(node, to: &program, key: key) }
    case .choice(let branches):
      var jumps: [Int] = []
      for (position, branch) in branches.enumerated() {
        let split = program.count
        let isLast = position == branches.count - 1
        if !isLast { program.append(.jump(0)) }
        try append(branch, to: &program, key: key)
        if !isLast {
          jumps.append(program.count)
          program.append(.jump(0))
          program[split] = .split(split + 1, program.count)
        }
      }
      for jump in jumps { program[jump] = .jump(program.count) }
    case .repeated(let inner, let low, let high):
      for _ in 0..<low {
        let size = program.count
        try append(inner, to: &program, key: key)
        // Nothing, however often: else `(((){1000}){1000}){1000}` would run for ever here.
        if program.count == size { break }
      }
      guard let high else {
        let loop = program.count
        program.append(.jump(0))
        try append(inner, to: &program, key: key)
        program.append(.jump(loop))
        program[loop] = .split(loop + 1, program.count)
        return
      }
      var splits: [Int] = []
      for _ in low..<high {
        splits.append(program.count)
        program.append(.jump(0))
        try append(inner, to: &program, key: key)
      }
      for split in splits { program[split] = .split(split + 1, program.count) }
    }
  }

  /// Whether the program accepts the whole text.
  static func matches(_ program: [Instruction], _ text: [Unicode.Scalar]) -> Bool {
    var run = PatternRun(program: program, length: text.count)
    var current = run.reachable(from: [0], at: 0)
    for (offset, scalar) in text.enumerated() {
      if current.isEmpty { return false }
      let stepped = current.filter { accepts(program[$0], scalar) }.map { $0 + 1 }
      current = run.reachable(from: stepped, at: offset + 1)
    }
    return current.contains { if case .accept = program[$0] { true } else { false } }
  }

  private static func accepts(_ instruction: Instruction, _ scalar: Unicode.Scalar) -> Bool {
    switch instruction {
    case .one(let expected): scalar == expected
    case .any: scalar != "\n"
    case .set(let set): set.contains(scalar)
    default: false
    }
  }
}

/// Which steps of a program were reached at which place of a text.
private struct PatternRun {
  let program: [PatternProgram.Instruction]
  let length: Int
  /// The last place at which each step was reached.
  private var reached: [Int]

  init(program: [PatternProgram.Instruction], length: Int) {
    self.program = program
    self.length = length
    reached = [Int](repeating: -1, count: program.count)
  }

  /// The steps that consume or accept, reached without consuming anything.
  mutating func reachable(from steps: [Int], at offset: Int) -> [Int] {
    var waiting = steps
    var found: [Int] = []
    while let step = waiting.popLast() {
      guard reached[step] != offset else { continue }
      reached[step] = offset
      switch program[step] {
      case .jump(let target): waiting.append(target)
      case .split(let first, let second):
        waiting.append(first)
        waiting.append(second)
      case .start: if offset == 0 { waiting.append(step + 1) }
      case .end: if offset == length { waiting.append(step + 1) }
      default: found.append(step)
      }
    }
    return found
  }
}
