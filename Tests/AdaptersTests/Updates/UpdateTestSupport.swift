import Adapters
import LoRATestSupport
import Tensors
import TestSupport

/// Seeded tensors by name, to describe adapters and bases and to compute with.
struct TestTensors {
  private(set) var all: [TestTensor] = []
  private var generator = SeededGenerator(seed: 11)

  mutating func add(_ name: TensorName, _ shape: [Int]) {
    let values = generator.values(shape.reduce(1, *)).map { ($0 * 64).rounded() / 64 }
    all.append(TestTensor(name, shape, values: values))
  }

  mutating func add(_ name: TensorName, _ shape: [Int], values: [Double]) {
    all.append(TestTensor(name, shape, values: values))
  }

  subscript(name: TensorName) -> [Double] { all.first { $0.name == name }?.values ?? [] }
}

/// `Σ_k x[i, k] y[k, j]`, row-major.
func product(_ x: [Double], _ y: [Double], rows: Int, inner: Int, columns: Int) -> [Double] {
  var result = [Double](repeating: 0, count: rows * columns)
  for i in 0..<rows {
    for j in 0..<columns {
      for k in 0..<inner { result[i * columns + j] += x[i * inner + k] * y[k * columns + j] }
    }
  }
  return result
}

/// Rows and columns exchanged.
func transposed(_ x: [Double], rows: Int, columns: Int) -> [Double] {
  (0..<columns).flatMap { column in (0..<rows).map { x[$0 * columns + column] } }
}

func sum(_ x: [Double], _ y: [Double], times factor: Double) -> [Double] {
  zip(x, y).map { $0 + factor * $1 }
}

/// Whether all elements agree to 1e-12 of the largest.
func agree(_ found: [Double]?, _ expected: [Double]) -> Bool {
  guard let found, found.count == expected.count else { return false }
  let scale = expected.reduce(1) { max($0, abs($1)) }
  return zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-12 * scale }
}

/// A folder as mlx_lm saves it.
struct MLXTestFolder {
  let folder = TemporaryFolder()

  init(_ tensors: [TestTensor], _ config: String) throws {
    try folder.write(tensors: tensors, to: "adapters.safetensors")
    try folder.write(text: config, to: "adapter_config.json")
  }

  static func config(_ kind: String = "lora", rank: Int = 2, scale: Double = 3) -> String {
    """
    {"fine_tune_type": "\(kind)", "num_layers": 4, "model": "org/model", \
    "lora_parameters": {"rank": \(rank), "scale": \(scale), "dropout": 0.0, "keys": ["q"]}}
    """
  }

  func updates() throws -> AdapterUpdates? { try AdapterUpdates(path: folder.path) }
}
