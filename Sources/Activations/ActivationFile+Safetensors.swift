internal import Adapters
internal import ByteIO
internal import Safetensors
internal import Tensors

/// Activations in safetensors (Activations §2).
extension ActivationFile {
  static let inputsKey = "inputs"

  static func inputsText(_ probe: InputProbe) -> String? {
    probe.safetensors?.header.metadata.first { $0.key == inputsKey }?.value
  }

  init(safetensors file: SafetensorsFile, inputs text: String, path: String, check: RuleCheck)
    throws
  {
    var inputs: [(block: TensorName, matrix: TensorName)]?
    func broken(_ reason: ActivationError.Reason) throws {
      try check.broken(ActivationError(path: path, rule: "Activations §2", reason: reason))
    }
    do {
      if let members = try JSONValue(parsing: Array(text.utf8)).object?.members,
        members.allSatisfy({ $0.value.string != nil })
      {
        inputs = members.map { (TensorName($0.key), TensorName($0.value.string ?? "")) }
      } else {
        try broken(.badMap)
      }
    } catch let error as JSONError {
      try broken(.json(error))
    }
    try self.init(
      path: path, format: "activations in safetensors", matrices: file, inputs: inputs,
      metadata: file.header.metadata.filter { $0.key != ActivationFile.inputsKey }, check: check)
  }

  func writeSafetensors(
    to path: String, replacing: Bool, progress: (Int, Int) throws -> Void
  ) throws {
    var map = JSONObject()
    for (block, matrix) in inputs {
      _ = map.append(block.string, .string(matrices.tensors[matrix].name.string))
    }
    let all = metadata + [(ActivationFile.inputsKey, JSONValue.object(map).serialized())]
    try SafetensorsWriter.write(
      matrices, metadata: all.sorted { TensorName($0.key) < TensorName($1.key) }, to: path,
      replacing: replacing, progress: progress)
  }
}
