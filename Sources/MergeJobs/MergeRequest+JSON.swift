internal import Adapters
public import ByteIO
internal import FoldJobs
internal import Merging
internal import ResLoRAContainer
internal import Tensors

extension MergeRequest {
  /// The request as a plan carries it and as a job is known by: what is at its default is left out,
  /// paths as given.
  public var json: JSONValue {
    var truncate: JSONValue?
    switch truncation {
    case .rank(let rank): truncate = .members(["rank": .integer(rank)])
    case .energy(let share): truncate = .members(["energy": .double(share)])
    case nil: break
    }
    return .members([
      "adapter": .string(adapter),
      "base": base.map(JSONValue.string),
      "calibration": .members([
        "path": .string(calibration.path), "tokens": calibration.tokens.map(JSONValue.integer),
        "penalty": calibration.penalty.map { $0.isFinite ? .double($0) : .string("inf") },
      ]),
      "output": .string(output),
      "method": method.map(JSONValue.string),
      "truncation": truncate,
      "windows": stated.windows.map(JSONValue.string),
      "topology": stated.topology.map(JSONValue.string),
      "root": stated.root.map { .string($0.rawValue) },
      "pre_num": stated.reach.map { .integer($0.rawValue) },
      "format": .string(format),
      "compression": compression == .automatic ? nil : .string(compression.rawValue),
      "dtype": dtype.map { .string($0.rawValue) },
      "allow_nonfinite": allowsNonFinite ? .bool(true) : nil,
      "force": replacing ? .bool(true) : nil,
    ])
  }

  private static let keys: Set<String> = [
    "adapter", "base", "calibration", "output", "method", "truncation", "windows", "topology",
    "root", "pre_num", "format", "compression", "dtype", "allow_nonfinite", "force",
  ]

  /// Reads a request back.
  ///
  /// - Returns: nil where a key is missing, unknown or of another kind.
  public init?(_ json: JSONValue) {
    guard let object = json.object,
      object.members.allSatisfy({ MergeRequest.keys.contains($0.key) }),
      let adapter = object["adapter"]?.string, let output = object["output"]?.string,
      let fitted = object["calibration"]?.object, let path = fitted["path"]?.string,
      fitted.members.allSatisfy({ ["path", "tokens", "penalty"].contains($0.key) })
    else { return nil }
    self.init(adapter: adapter, calibration: .init(path: path), output: output)

    var isSound = true
    func read<Value>(
      _ key: String, in object: JSONObject, _ convert: (JSONValue) -> Value?
    ) -> Value? {
      guard let value = object[key] else { return nil }
      guard let converted = convert(value) else {
        isSound = false
        return nil
      }
      return converted
    }
    func read<Value>(_ key: String, _ convert: (JSONValue) -> Value?) -> Value? {
      read(key, in: object, convert)
    }
    calibration.tokens = read("tokens", in: fitted) { $0.number?.integer }
    calibration.penalty = read("penalty", in: fitted) {
      $0.string == "inf" ? .infinity : $0.number?.double
    }
    base = read("base") { $0.string }
    method = read("method") { $0.string }
    truncation = read("truncation") { value in
      value.object?["rank"]?.number?.integer.map(RankTruncation.rank)
        ?? value.object?["energy"]?.number?.double.map(RankTruncation.energy)
    }
    stated.windows = read("windows") { $0.string }
    stated.topology = read("topology") { $0.string }
    stated.root = read("root") { $0.string.flatMap(RootRule.init) }
    stated.reach = read("pre_num") { $0.number?.integer.flatMap { PredecessorCount($0) } }
    format = read("format") { $0.string } ?? AdapterOutputFormat.peft.identifier
    compression =
      read("compression") { $0.string.flatMap(ContainerCompression.init) } ?? .automatic
    dtype = read("dtype") { value in
      value.string.flatMap(DType.init).flatMap { $0.isArithmetic ? $0 : nil }
    }
    allowsNonFinite = read("allow_nonfinite") { $0.bool } ?? false
    replacing = read("force") { $0.bool } ?? false
    guard isSound else { return nil }
  }
}
