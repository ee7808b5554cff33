internal import Adapters
public import ByteIO
internal import Folding
public import Safetensors
internal import Tensors

/// The base of a fold: a safetensors file, or a folder of them with everything that lies beside.
public struct FoldBase: Sendable {
  /// The path it was opened by.
  public let path: String
  /// Whether that is a folder.
  public let isFolder: Bool
  /// The tensors, shard by shard.
  public let source: any FileBackedTensorSource
  /// The files in the order of the source's tensors.
  public let shards: [SafetensorsFile]
  /// What is odd but harmless, one line each.
  public let warnings: [String]
  /// What lies in the folder and does not go along, one line each.
  public let notes: [String]
  /// The index; nil for one file.
  let indexName: String?
  /// What the index says of itself.
  let indexMetadata: JSONObject?
  /// Files that go along with the weights: config, tokenizer and the like.
  let companions: [String]
  /// The model's config, where it is at hand and can be read.
  let config: JSONObject?

  /// The SHA-256 of the config, which decides ties; nil where there is none.
  var configDigest: String? {
    config.map {
      SHA256Hasher.digest(of: Array(JSONValue.object($0).serialized().utf8)).hexadecimal
    }
  }

  static let configName = "config.json"

  /// Opens a base and checks all headers.
  ///
  /// - Parameter threads: how many headers to read at once.
  /// - Throws: `AdapterError.notACheckpoint`, errors of the formats.
  public init(path: String, threads: Int = 1) throws {
    self.path = path
    isFolder = try Paths.kind(of: path) == .folder
    let opened = try BaseCheckpoint(path: path, threads: threads)
    source = opened.source
    warnings = opened.warnings
    guard let checkpoint = opened.source as? ShardedCheckpoint else {
      guard let file = opened.source as? SafetensorsFile else {
        preconditionFailure("a base is a safetensors file or a folder of them")
      }
      shards = [file]
      (indexName, indexMetadata, companions, notes) = (nil, nil, [], [])
      config = try FoldBase.config(in: Paths.parent(of: path))
      return
    }
    shards = checkpoint.shards
    indexName = checkpoint.indexPath.map(Paths.name(of:))
    indexMetadata = checkpoint.indexMetadata
    let found = try CheckpointCompanions(of: checkpoint)
    (companions, notes) = (found.names, found.notes)
    config = try FoldBase.config(in: path)
  }

  /// A config that is missing or no JSON says nothing; it is the model's, not ours. One that can't be
  /// read might say that parameters are tied.
  private static func config(in folder: String) throws -> JSONObject? {
    let path = Paths.join(folder, configName)
    guard try Paths.kind(of: path) == .file else { return nil }
    do {
      let text = try ReadableFile.contents(of: path, limit: 16 << 20)
      return (try? JSONValue(parsing: text))?.object
    } catch is FileError {
      return nil
    }
  }

  /// The positions of every shard's tensors among the source's.
  var tensorsOfShards: [Range<Int>] {
    var first = 0
    return shards.map { shard in
      defer { first += shard.tensors.count }
      return first..<(first + shard.tensors.count)
    }
  }

  /// Parameters that have two names in this model, by its config (Folding §2.3).
  var ties: [TiedTensors] {
    let isTied = [config, config?["text_config"]?.object].contains {
      $0?["tie_word_embeddings"]?.bool == true
    }
    guard isTied else { return [] }
    let names = source.tensors.map(\.name.string)
    func find(_ endings: [String]) -> String? {
      endings.lazy.compactMap { ending in
        names.first { $0 == ending || $0.hasSuffix("." + ending) }
      }.first
    }
    let embedding = find([
      "embed_tokens.weight", "wte.weight", "word_embeddings.weight", "tok_embeddings.weight",
      "embed_in.weight", "shared.weight",
    ])
    // A bare "output" ends the names of other layers too.
    let output =
      find(["lm_head.weight", "embed_out.weight"]) ?? names.first { $0 == "output.weight" }
      ?? "lm_head.weight"
    return embedding.map {
      [TiedTensors(embedding: TensorName($0), output: TensorName(output))]
    } ?? []
  }
}
