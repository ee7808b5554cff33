import CFuzzer
import Glibc
import Tensors

/// Something that takes bytes nobody should trust.
///
/// A target traps where a property does not hold, and lets every error through that its module does
/// not declare: both are finds.
protocol FuzzTarget: Sendable {
  static var name: String { get }
  /// Takes one input.
  static func run(_ input: [UInt8]) throws
  /// Changes an input by what is known of its format, checksums made to fit; nil where nothing is
  /// known of it.
  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]?
}

extension FuzzTarget {
  static func mutated(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]? { nil }
}

enum FuzzTargets {
  static let all: [any FuzzTarget.Type] = [
    SafetensorsTarget.self, JSONTarget.self, ContainerTarget.self, DescriptionTarget.self,
    PickleTarget.self, TorchTarget.self, ConfigTarget.self, IndexTarget.self, WindowsTarget.self,
    UndoTarget.self, JournalTarget.self, HDF5Target.self,
  ]

  static let chosen: (any FuzzTarget.Type)? = getenv("FUZZ_TARGET").flatMap { text in
    all.first { $0.name == String(cString: text) }
  }

  static func run(_ input: [UInt8]) {
    guard let chosen else { return }
    do {
      try chosen.run(input)
    } catch {
      fatalError("an error of another module, \(type(of: error)): \(error)")
    }
  }
}

/// Traps where a property does not hold, whatever the optimisation.
func require(
  _ condition: Bool, _ property: @autoclosure () -> String, file: StaticString = #file,
  line: UInt = #line
) {
  if !condition { fatalError(property(), file: file, line: line) }
}

/// What `body` gives; nil where it refuses by an error of these types, in a line fit to be shown.
///
/// - Throws: other errors, which nobody expects.
func accepted<Result>(_ types: any Error.Type..., body: () throws -> Result) throws -> Result? {
  do {
    return try body()
  } catch {
    guard types.contains(where: { $0 == type(of: error) }) else { throw error }
    requireLine("\(error)")
    return nil
  }
}

/// Traps for a message that is more than a line, or could steer a terminal.
func requireLine(_ message: String) {
  require(
    !message.isEmpty && !message.unicodeScalars.contains(where: \.steersTerminal),
    "a message that is not fit to be shown: \(message.debugDescription)")
  require(message.utf8.count < 65536, "a message that floods the screen")
}

/// libFuzzer's mutations and random numbers.
struct Mutator {
  private var state: UInt64
  let capacity: Int

  init(seed: UInt32, capacity: Int) {
    state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    self.capacity = capacity
  }

  /// A number below `bound`.
  mutating func number(below bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 33) % max(1, bound)
  }

  /// Bytes changed by libFuzzer in one way, its dictionary and what it saw compared among them.
  func bytes(_ bytes: [UInt8], capacity: Int? = nil) -> [UInt8] {
    let room = max(bytes.count, capacity ?? self.capacity, 1)
    var buffer = bytes + [UInt8](repeating: 0, count: room - bytes.count)
    let count = buffer.withUnsafeMutableBufferPointer {
      LLVMFuzzerMutate($0.baseAddress, bytes.count, room)
    }
    return Array(buffer.prefix(count))
  }
}

/// What libFuzzer calls for every new input.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutateInput(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ capacity: Int, _ seed: UInt32
) -> Int {
  var mutator = Mutator(seed: seed, capacity: capacity)
  let input = Array(UnsafeBufferPointer(start: data, count: size))
  guard let changed = FuzzTargets.chosen?.mutated(input, &mutator), !changed.isEmpty,
    changed.count <= capacity
  else { return LLVMFuzzerMutate(data, size, capacity) }
  for (position, byte) in changed.enumerated() { data[position] = byte }
  return changed.count
}
