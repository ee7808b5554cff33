public import ByteIO
public import Tensors

/// Why a checkpoint folder with an index is refused.
public struct ShardIndexError: DiagnosableError, Equatable {
  /// The index file, or the folder that lacks one.
  public let path: String
  /// What is wrong.
  public let reason: Reason

  /// Content problems are bad data.
  public var failureKind: FailureKind { .badData }

  /// `path: reason (found N, expected M)`
  public var description: String { "\(path.escapedForTerminal): \(reason)" }

  /// What can be wrong with a sharded checkpoint.
  public enum Reason: Equatable, Sendable, CustomStringConvertible {
    /// The folder holds neither an index nor safetensors files.
    case noCheckpoint
    /// Several indexes, none of them `model.safetensors.index.json`.
    case severalIndexes([String])
    /// The index is not strict JSON.
    case json(JSONError)
    /// The index lacks a `weight_map` of strings.
    case noWeightMap
    /// A shard name with a slash, `..`, or that is the index itself.
    case badShardName(tensor: String, shard: String)
    /// A shard that a link takes out of the folder.
    case shardOutsideFolder(shard: String)
    /// Shards that are not there, all of them.
    case missingShards([String])
    /// A tensor that the index maps to a shard which lacks it.
    case missingTensor(tensor: String, shard: String)
    /// A tensor of a shard that the index does not map to it.
    case unmappedTensor(tensor: String, shard: String)

    /// The reason in words.
    public var description: String {
      func list(_ names: [String]) -> String {
        names.listed { "'\($0.escapedForTerminal)'" }
      }
      return switch self {
      case .noCheckpoint:
        "no checkpoint to be told in this folder (expected one .safetensors file, model.safetensors, or "
          + "an index; other formats than safetensors are not read); name the file"
      case .severalIndexes(let names):
        "several indexes (found \(list(names)), expected one); name a file instead of the folder"
      case .json(let error): "\(error)"
      case .noWeightMap: "no 'weight_map' (expected an object of tensor name to shard name)"
      case .badShardName(let tensor, let shard):
        "tensor '\(tensor.escapedForTerminal)': bad shard name (found '\(shard.escapedForTerminal)', "
          + "expected the name of a safetensors file in the same folder)"
      case .shardOutsideFolder(let shard):
        "shard '\(shard.escapedForTerminal)' is a link that leaves the folder"
      case .missingShards(let names): "missing shards: \(list(names))"
      case .missingTensor(let tensor, let shard):
        "tensor '\(tensor.escapedForTerminal)' is not in its shard '\(shard.escapedForTerminal)'"
      case .unmappedTensor(let tensor, let shard):
        "tensor '\(tensor.escapedForTerminal)' of shard '\(shard.escapedForTerminal)' "
          + "is not mapped to it by the index"
      }
    }
  }
}
