internal import ByteIO
internal import Safetensors
internal import Tensors

/// The files of a checkpoint's folder that go along with its tensors: configuration, tokenizer,
/// licence (Folding §4.2).
struct CheckpointCompanions {
  /// Their names, sorted by bytes.
  let names: [String]
  /// What is in the folder and left out, one line each.
  let notes: [String]

  /// Extensions of files that hold weights, which are not those of the tensors.
  private static let weights: Set<String> = [
    "safetensors", "bin", "pt", "pth", "ckpt", "gguf", "h5", "msgpack", "onnx", "npz",
  ]

  /// Lists them, without those that have one of the names in `taken`.
  ///
  /// Left out are other files of weights, folders, hidden files, what a link fetches from elsewhere,
  /// and journals of folds in place.
  init(of checkpoint: ShardedCheckpoint, besides taken: [String] = []) throws {
    let folder = checkpoint.label
    var own = Set(taken.map { TensorName($0) })
    own.formUnion(checkpoint.shards.map { TensorName(Paths.name(of: $0.label)) })
    if let index = checkpoint.indexPath { own.insert(TensorName(Paths.name(of: index))) }
    var names: [String] = []
    var notes: [String] = []
    for name in try Paths.entries(of: folder) where !own.contains(TensorName(name)) {
      let path = Paths.join(folder, name)
      if name.hasPrefix(".") || name.hasSuffix(InPlaceJournal.suffix) { continue }
      if CheckpointCompanions.weights.contains(Paths.fileExtension(of: name).lowercased())
        || name.hasSuffix(".index.json")
      {
        notes.append("not copied, being other weights: \(path.escapedForTerminal)")
      } else if try Paths.kind(of: path) == .file,
        try ShardedCheckpoint.staysInside(folder, name)
      {
        names.append(name)
      } else {
        notes.append(
          "not copied, being a folder, a link that leads elsewhere or no file: \(path.escapedForTerminal)"
        )
      }
    }
    self.names = names
    self.notes = notes
  }
}
