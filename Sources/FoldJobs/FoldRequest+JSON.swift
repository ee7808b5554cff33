internal import Adapters
public import ByteIO
internal import Folding
internal import Merging
internal import Tensors

extension FoldRequest {
  /// The request as a plan file carries it and as a job is known by: what is at its default is left
  /// out, paths as given. A plan file has no calibration (Folding §6.2).
  var json: JSONValue {
    var (truncate, seed): (JSONValue?, JSONValue?) = (nil, nil)
    switch truncation {
    case .rank(let rank): truncate = .members(["rank": .integer(rank)])
    case .energy(let share): truncate = .members(["energy": .double(share)])
    case nil: break
    }
    // A seed may be beyond what every JSON reader keeps of a number.
    if case .stochastic(let value) = rounding { seed = .string(String(value)) }
    return .members([
      "adapters": .array(
        adapters.map {
          .members(["path": .string($0.path), "weight": .double($0.weight)])
        }),
      "base": .string(base),
      "output": .string(output),
      "scale": .double(scale),
      "method": method.map(JSONValue.string),
      "compat": profile == .standard ? nil : .string(profile.rawValue),
      "truncation": truncate,
      "calibration": calibration?.json,
      "windows": stated.windows.map(JSONValue.string),
      "topology": stated.topology.map(JSONValue.string),
      "root": stated.root.map { .string($0.rawValue) },
      "pre_num": stated.reach.map { .integer($0.rawValue) },
      "dtype": dtype.map { .string($0.rawValue) },
      "seed": seed,
      "allow_unmatched": allowsUnmatched ? .bool(true) : nil,
      "allow_nonfinite": allowsNonFinite ? .bool(true) : nil,
      "verify": .string(verification.rawValue),
      "max_shard_size": maximumShardBytes.map(JSONValue.integer),
      "provenance": .bool(recordsProvenance),
      "force": replacing ? .bool(true) : nil,
    ])
  }

  /// Reads a request back.
  ///
  /// - Returns: nil where a key is missing, unknown or of another kind.
  public init?(_ json: JSONValue) {
    guard let object = json.object, let base = object["base"]?.string,
      let output = object["output"]?.string, let entries = object["adapters"]?.array
    else { return nil }
    let known: Set<String> = [
      "adapters", "base", "output", "scale", "method", "compat", "truncation", "windows",
      "topology", "root", "pre_num", "dtype", "seed", "allow_unmatched", "allow_nonfinite",
      "verify", "max_shard_size", "provenance", "force",
    ]
    guard object.members.allSatisfy({ known.contains($0.key) }) else { return nil }
    let adapters = entries.compactMap { entry -> AdapterChoice? in
      guard let path = entry.object?["path"]?.string,
        let weight = entry.object?["weight"]?.number?.double
      else { return nil }
      return AdapterChoice(path: path, weight: weight)
    }
    guard adapters.count == entries.count, !adapters.isEmpty else { return nil }
    self.init(adapters: adapters, base: base, output: output)

    var isSound = true
    func read<Value>(_ key: String, _ convert: (JSONValue) -> Value?) -> Value? {
      guard let value = object[key] else { return nil }
      guard let converted = convert(value) else {
        isSound = false
        return nil
      }
      return converted
    }
    scale = read("scale") { $0.number?.double } ?? 1
    method = read("method") { $0.string }
    profile = read("compat") { $0.string.flatMap(MergeInputs.Profile.init) } ?? .standard
    truncation = read("truncation") { value in
      value.object?["rank"]?.number?.integer.map(RankTruncation.rank)
        ?? value.object?["energy"]?.number?.double.map(RankTruncation.energy)
    }
    stated.windows = read("windows") { $0.string }
    stated.topology = read("topology") { $0.string }
    stated.root = read("root") { $0.string.flatMap(RootRule.init) }
    stated.reach = read("pre_num") { $0.number?.integer.flatMap { PredecessorCount($0) } }
    dtype = read("dtype") { value in
      value.string.flatMap(DType.init).flatMap { $0.isArithmetic ? $0 : nil }
    }
    rounding =
      read("seed") { $0.string.flatMap { UInt64($0) } }.map(FoldRounding.stochastic) ?? .nearest
    allowsUnmatched = read("allow_unmatched") { $0.bool } ?? false
    allowsNonFinite = read("allow_nonfinite") { $0.bool } ?? false
    verification = read("verify") { $0.string.flatMap(Fold.Verification.init) } ?? .sample
    maximumShardBytes = read("max_shard_size") { $0.number?.integer }
    recordsProvenance = read("provenance") { $0.bool } ?? true
    replacing = read("force") { $0.bool } ?? false
    guard isSound else { return nil }
  }
}

extension FoldRequest.CalibrationChoice {
  fileprivate var json: JSONValue {
    .members([
      "path": .string(path), "tokens": tokens.map(JSONValue.integer),
      "penalty": penalty.map(JSONValue.double),
    ])
  }
}
