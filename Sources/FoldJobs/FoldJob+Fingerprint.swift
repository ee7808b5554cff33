public import ByteIO
internal import Folding
internal import Safetensors
internal import Tensors

extension FoldJob {
  /// What the job reads, as it was when it was opened: of every base file name, size, time of change
  /// and the SHA-256 of its header; of every adapter file size and the SHA-256 of all of it
  /// (Folding §6.3), configs and what is stated of links included.
  public var inputs: JSONValue {
    .members([
      "config": base.configDigest.map(JSONValue.string),
      "base": .array(
        base.shards.map { shard in
          .members([
            "name": .string(Paths.name(of: shard.label)),
            "size": .integer(shard.size),
            "changed": .integer(shard.changeTime),
            "header_sha256": .string(
              SHA256Hasher.digest(of: shard.header.text).hexadecimal),
          ])
        }),
      "adapters": .array(
        adapters.map { adapter in
          .array(
            (zip(adapter.files, adapter.digests) + adapter.sidecars).map { file, digest in
              .members(["name": .string(Paths.name(of: file)), "sha256": .string(digest)])
            })
        }),
    ])
  }

  /// What of the inputs is not what it was.
  public func change(since old: JSONValue) -> String? {
    let new = inputs
    if old.object?["config"] != new.object?["config"] { return "the base's config.json" }
    let base = [old, new].map { $0.object?["base"]?.array ?? [] }
    for (old, new) in zip(base[0], base[1]) where old != new {
      let name = new.object?["name"]?.string ?? ""
      return "the base's '\(name.escapedForTerminal)' (size, time or header)"
    }
    return base[0].count != base[1].count
      ? "the number of the base's files"
      : old.object?["adapters"] != new.object?["adapters"] ? "a file of an adapter" : nil
  }

  /// A number that two jobs have in common only where they write the same bytes from the same files.
  public var fingerprint: String {
    var request = request.absolute
    request.replacing = false
    let headers = layout.shards.map { shard in
      JSONValue.string(
        shard.name + " "
          + SHA256Hasher.digest(of: shard.layout.headerBytes).hexadecimal)
    }
    let text = JSONValue.members([
      "tool": .string(FoldJob.toolVersion), "request": request.json, "inputs": inputs,
      "shards": .array(headers),
    ]).serialized()
    return SHA256Hasher.digest(of: Array(text.utf8)).hexadecimal
  }

  /// The model's config as it goes into the output, where it does not stay as it is: weights that
  /// lose their block scales are no longer quantised, and the dtype is the new one.
  var config: String? {
    guard let config = base.config, let dtype = request.dtype else { return nil }
    let names = [DType.f32: "float32", .f16: "float16", .bf16: "bfloat16", .f64: "float64"]
    let isDequantised = plan.output.contains { $0 == nil }
    func changed(_ object: JSONObject) -> JSONObject {
      var result = JSONObject()
      for (key, value) in object.members {
        switch key {
        case "quantization_config" where isDequantised: continue
        case "torch_dtype", "dtype":
          _ = result.append(key, names[dtype].map(JSONValue.string) ?? value)
        case "text_config":
          _ = result.append(key, value.object.map { .object(changed($0)) } ?? value)
        default: _ = result.append(key, value)
        }
      }
      return result
    }
    let changed = changed(config)
    return changed == config ? nil : JSONValue.object(changed).serialized(indented: true) + "\n"
  }
}
