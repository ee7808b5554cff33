internal import ByteIO
internal import Tensors

/// The settings of the published training code that decide numbers: `reslora_config.json`, or the
/// `resconfig` inside a whole model's `config.json`.
struct PublishedConfig {
  static let fileName = "reslora_config.json"

  let file: SidecarFile
  let rank: Int
  let alpha: Double
  let structure: Structure
  /// How far bs and ms reach back; nil where the config does not say, for it has no default.
  let reach: PredecessorCount?
  let targetLetters: [String]
  let windowCapacity: Int

  /// The scaling `lora_alpha / rank` of every pair.
  var scaling: Double { alpha / Double(rank) }

  init(file: SidecarFile) throws {
    self.file = file
    guard let rank = try file.integer("rank", in: 1...(1 << 20)) else {
      throw file.failure(.missing(key: "rank", expected: "a whole number from 1 on"))
    }
    guard let alpha = try file.number("lora_alpha") else {
      throw file.failure(.missing(key: "lora_alpha", expected: "a number"))
    }
    guard let flag = try file.integer("res_flag", in: 0...3) else {
      throw file.failure(.missing(key: "res_flag", expected: "0 plain, 1 is, 2 bs or 3 ms"))
    }
    self.rank = rank
    self.alpha = alpha
    structure = [Structure.plain, .inputShortcut, .blockShortcut, .middleShortcut][flag]
    reach = try file.integer("pre_num", in: -1...Int.max).flatMap(PredecessorCount.init)
    targetLetters = (try file.string("target_modules") ?? "").lowercased()
      .split(separator: ".").map(String.init)
    windowCapacity =
      try file.integer("merge_4_len", in: 1...(1 << 20)) ?? NormWindows.defaultCapacity
  }

  /// The config beside a checkpoint file in `folder`, or nil where there is none.
  static func find(in folder: String) throws -> PublishedConfig? {
    let path = Paths.join(folder, fileName)
    if try Paths.kind(of: path) != .absent {
      return try PublishedConfig(file: SidecarFile(path: path))
    }
    // Whole models keep the settings inside the model's own config.
    let modelConfig = Paths.join(folder, "config.json")
    guard try Paths.kind(of: modelConfig) == .file,
      let settings = try SidecarFile(path: modelConfig).object["resconfig"]?.object
    else { return nil }
    return try PublishedConfig(file: SidecarFile(path: modelConfig, object: settings))
  }
}
