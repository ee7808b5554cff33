internal import Safetensors
package import Tensors
package import TestSupport

/// A tensor as tests describe it, its values 1, 2, 3, … unless given.
package struct TestTensor {
  package let name: TensorName
  package let dtype: DType
  package let shape: [Int]
  package let values: [Double]

  package init(_ name: TensorName, _ shape: [Int], dtype: DType = .f32, values: [Double]? = nil) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.values = values ?? (0..<shape.reduce(1, *)).map { Double($0 + 1) }
  }

  package var elementCount: Int { shape.reduce(1, *) }

  /// The elements as they are stored; zeros for types that nothing is computed with.
  package var bytes: [UInt8] {
    dtype.isArithmetic
      ? Conversion.bytes(from: values, dtype: dtype)
      : [UInt8](repeating: 0, count: elementCount * dtype.bitWidth / 8)
  }

  /// A and B of a published checkpoint.
  package static func published(
    _ module: String, in inFeatures: Int = 4, out outFeatures: Int = 4, rank: Int = 2, pair: Int = 0
  ) -> [TestTensor] {
    [
      TestTensor(TensorName("\(module).loras.\(pair).lora_A"), [rank, inFeatures]),
      TestTensor(TensorName("\(module).loras.\(pair).lora_B"), [outFeatures, rank]),
    ]
  }

  /// A and B as PEFT names them.
  package static func peft(
    _ module: String, in inFeatures: Int = 4, out outFeatures: Int = 4, rank: Int = 2
  ) -> [TestTensor] {
    [
      TestTensor(TensorName("base_model.model.\(module).lora_A.weight"), [rank, inFeatures]),
      TestTensor(TensorName("base_model.model.\(module).lora_B.weight"), [outFeatures, rank]),
    ]
  }
}

extension MemoryTensorSource {
  /// Holds the tensors of a test.
  package init(_ tensors: [TestTensor], label: String = "memory") throws {
    self.init(
      label: label,
      tensors: try tensors.map {
        (try TensorInfo(name: $0.name, dtype: $0.dtype, shape: $0.shape), $0.bytes)
      })
  }
}

extension TemporaryFolder {
  /// Writes a safetensors file and returns its path.
  @discardableResult
  package func write(
    tensors: [TestTensor], metadata: [(key: String, value: String)] = [], to name: String
  ) throws -> String {
    try SafetensorsWriter.write(
      MemoryTensorSource(tensors), metadata: metadata, to: file(name), replacing: true)
    return file(name)
  }

  /// Writes a text and returns its path.
  @discardableResult
  package func write(text: String, to name: String) throws -> String {
    try write(text.utf8, to: name)
  }
}

/// Keys of a JSON object and their values as they stand in its text.
package struct JSONText {
  package var members: [(key: String, value: String)]

  package init(_ members: KeyValuePairs<String, String>) {
    self.members = members.map { ($0.key, $0.value) }
  }

  /// The object with some values changed, added, or with nil removed.
  package func changed(_ changes: KeyValuePairs<String, String?>) -> JSONText {
    var copy = self
    for (key, value) in changes {
      let position = copy.members.firstIndex { $0.key == key }
      switch (position, value) {
      case (let position?, let value?): copy.members[position].value = value
      case (let position?, nil): copy.members.remove(at: position)
      case (nil, let value?): copy.members.append((key, value))
      case (nil, nil): break
      }
    }
    return copy
  }

  package var text: String {
    "{" + members.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ") + "}"
  }
}
