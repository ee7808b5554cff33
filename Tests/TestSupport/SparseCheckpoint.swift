import ByteIO

/// A checkpoint of true headers and no data: its files have their full size, read as zeros and take
/// no room on the disk.
package struct SparseCheckpoint {
  package struct Tensor {
    package let name: String
    /// As safetensors names it.
    package let dtype: String
    package let shape: [Int]

    package init(_ name: String, _ dtype: String, _ shape: [Int]) {
      (self.name, self.dtype, self.shape) = (name, dtype, shape)
    }

    package var byteCount: Int {
      (["F8_E4M3": 1, "U8": 1, "BF16": 2, "F32": 4][dtype] ?? 0) * shape.reduce(1, *)
    }
  }

  package struct File {
    package let name: String
    package let tensors: [Tensor]
    /// The size of the file.
    package let size: Int

    /// The size of its tensors.
    package var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
  }

  package let files: [File]

  package var tensors: [Tensor] { files.flatMap(\.tensors) }
  /// The size of all tensors.
  package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// Writes a folder of as many files, tensors dealt out in order, and their index.
  package init(_ tensors: [Tensor], files count: Int, in folder: String) throws {
    var index: [String] = []
    files = try (0..<count).map { number in
      let own = tensors[(tensors.count * number / count)..<(tensors.count * (number + 1) / count)]
      let name = "model-\(number + 1)-of-\(count).safetensors"
      index += own.map { "\"\($0.name)\":\"\(name)\"" }
      return try SparseCheckpoint.write(Array(own), name, in: folder)
    }
    let size = files.reduce(0) { $0 + $1.byteCount }
    try FileSystem.write(
      Array(
        #"{"metadata":{"total_size":\#(size)},"weight_map":{\#(index.joined(separator: ","))}}"#
          .utf8),
      to: Paths.join(folder, "model.safetensors.index.json"))
  }

  /// Writes one safetensors file, with a metadata object as it stands in the header.
  @discardableResult
  package static func write(
    _ tensors: [Tensor], _ name: String, in folder: String, metadata: String? = nil
  ) throws -> File {
    var offset = 0
    var entries = metadata.map { ["\"__metadata__\":\($0)"] } ?? []
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = offset + tensor.byteCount
      entries.append(
        #""\#(tensor.name)":{"dtype":"\#(tensor.dtype)","shape":[\#(shape)],"#
          + #""data_offsets":[\#(offset),\#(end)]}"#)
      offset = end
    }
    let text = Array("{\(entries.joined(separator: ","))}".utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    let path = Paths.join(folder, name)
    try FileSystem.write(length + text, to: path)
    try FileSystem.truncate(path, to: 8 + text.count + offset)
    return File(name: name, tensors: tensors, size: 8 + text.count + offset)
  }
}

extension SparseCheckpoint {
  /// The tensors of a small model of DeepSeek-V3's kind, its first layer dense.
  package static func mixture(layers: Int, experts: Int, fp8: Bool = false) -> [Tensor] {
    let hidden = 256
    func weight(_ module: String, _ shape: [Int]) -> [Tensor] {
      let name = "model.\(module).weight"
      return fp8
        ? [
          Tensor(name, "F8_E4M3", shape),
          Tensor("\(name)_scale_inv", "F32", shape.map { ($0 + 127) / 128 }),
        ] : [Tensor(name, "BF16", shape)]
    }
    func feedForward(_ module: String, _ width: Int) -> [Tensor] {
      weight("\(module).gate_proj", [width, hidden]) + weight("\(module).up_proj", [width, hidden])
        + weight("\(module).down_proj", [hidden, width])
    }
    var tensors = [Tensor("model.embed_tokens.weight", "BF16", [1000, hidden])]
    for layer in 0..<layers {
      let prefix = "layers.\(layer)"
      tensors.append(Tensor("model.\(prefix).input_layernorm.weight", "BF16", [hidden]))
      tensors += weight("\(prefix).self_attn.q_a_proj", [96, hidden])
      tensors += weight("\(prefix).self_attn.o_proj", [hidden, 512])
      if layer == 0 {
        tensors += feedForward("\(prefix).mlp", 1024)
        continue
      }
      tensors.append(
        Tensor("model.\(prefix).mlp.gate.e_score_correction_bias", "F32", [experts]))
      for expert in 0..<experts { tensors += feedForward("\(prefix).mlp.experts.\(expert)", 160) }
      tensors += feedForward("\(prefix).mlp.shared_experts", 160)
    }
    return tensors + [Tensor("lm_head.weight", "BF16", [1000, hidden])]
  }
}
