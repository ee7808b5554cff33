import Activations
import ByteIO
import LoRATestSupport
import Tensors
import TestSupport

/// Activations that a test changes before it writes them.
struct CapturedSketch {
  var matrices: [(name: TensorName, shape: [Int], values: [Double])]
  var blocks: [(block: String, matrix: String)]

  /// Those of a file.
  init(_ path: String) throws {
    let file = try ActivationFile(path: path)
    matrices = try file.matrices.tensors.indices.map {
      let info = file.matrices.tensors[$0]
      return (info.name, info.shape, try file.matrices.float64(of: $0))
    }
    blocks = file.inputs.map { ($0.block.string, file.matrices.tensors[$0.matrix].name.string) }
  }

  /// The first rows of each matrix.
  func taking(_ tokens: Int) -> CapturedSketch {
    var copy = self
    for index in matrices.indices { copy.cut(index, to: tokens) }
    return copy
  }

  /// Leaves the first rows of one matrix.
  mutating func cut(_ matrix: Int, to tokens: Int) {
    matrices[matrix].shape[0] = tokens
    matrices[matrix].values.removeLast(
      matrices[matrix].values.count - tokens * matrices[matrix].shape[1])
  }

  /// Changes one element.
  mutating func set(_ matrix: Int, row: Int, column: Int, to value: Double) {
    matrices[matrix].values[row * matrices[matrix].shape[1] + column] = value
  }

  func write(to name: String, in folder: TemporaryFolder) throws {
    let map = blocks.map { "\"\($0.block)\": \"\($0.matrix)\"" }.joined(separator: ", ")
    try folder.write(
      tensors: matrices.map { TestTensor($0.name, $0.shape, dtype: .f32, values: $0.values) },
      metadata: [("inputs", "{\(map)}")], to: name)
  }
}

/// The activations of every fixture that has some.
let heldOut = ["--activations", "activations-heldout.safetensors"]
let calibration = ["--calibration", "activations-calibration.safetensors"]
let onBase = ["--base", "base.safetensors"]

extension JSONObject {
  /// The objects of a key's array.
  func objects(_ key: String) -> [JSONObject] { self[key]?.array?.compactMap(\.object) ?? [] }

  /// A number of each block.
  func blocks(_ key: String) -> [Double?] { objects("blocks").map { $0.double(key) } }

  var keys: Set<String> { Set(members.map(\.key)) }
}

/// Whether two lists of errors agree; a difference that is small beside 1 counts for nothing.
func agree(_ found: [Double?], _ expected: [Double?], to tolerance: Double) -> Bool {
  found.count == expected.count
    && zip(found, expected).allSatisfy { found, expected in
      switch (found, expected) {
      case (nil, nil): true
      case (let found?, let expected?): abs(found - expected) <= tolerance
      default: false
      }
    }
}
