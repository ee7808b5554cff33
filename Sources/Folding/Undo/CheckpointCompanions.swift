internal import ByteIO
internal import Safetensors
internal import Tensors

/// The files of a checkpoint's folder that are neither its tensors nor its index: configuration,
/// tokenizer, licence.
struct CheckpointCompanions {
  /// Their names, sorted by bytes.
  let names: [String]
  /// What is in the folder and left out, one line each.
  let notes: [String]

  /// Lists them, without those that have one of the names in `taken`.
  ///
  /// Folders inside the folder are left out, as is what a link fetches from elsewhere, unfinished
  /// outputs and journals of folds in place.
  init(of checkpoint: ShardedCheckpoint, besides taken: [String]) throws {
    let folder = checkpoint.label
    var own = Set(taken.map { TensorName($0) })
    own.formUnion(checkpoint.shards.map { TensorName(Paths.name(of: $0.label)) })
    if let index = checkpoint.indexPath { own.insert(TensorName(Paths.name(of: index))) }
    var names: [String] = []
    var notes: [String] = []
    for name in try Paths.entries(of: folder) where !own.contains(TensorName(name)) {
      let path = Paths.join(folder, name)
      if name.hasSuffix(".partial") || name.hasSuffix(InPlaceJournal.suffix) { continue }
      if try Paths.kind(of: path) == .file, try ShardedCheckpoint.staysInside(folder, name) {
        names.append(name)
      } else {
        notes.append("not copied, being no file of this folder: \(path.escapedForTerminal)")
      }
    }
    self.names = names
    self.notes = notes
  }
}
