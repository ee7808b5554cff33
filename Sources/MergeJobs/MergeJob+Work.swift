internal import ByteIO
internal import Planning
internal import Tensors

/// The folder that tasks leave their results in: `.NAME.partial` beside the output, for which they share
/// the lock (Replay §9.3).
extension MergeJob {
  /// Opens or creates the folder, which stays when its owner goes.
  ///
  /// - Throws: `PlanError.held`, `FileError`, `SystemError`.
  func workFolder(
    of plan: String, for sharing: OutputFolder.Sharing = .withOthers
  ) throws -> OutputFolder {
    // What a folder to be replaced may hold is the format's matter.
    let names: Set<String>? =
      try Paths.kind(of: output) == .folder ? Set(Paths.entries(of: output)) : nil
    return try WorkOwner.open(
      output, names: names, replacing: request.replacing, for: sharing,
      WorkOwner(fingerprint: fingerprint, plan: plan))
  }

  private func path(of number: Int) -> String {
    Paths.join(OutputFolder.temporaryPath(of: output), works[number].fileName ?? "")
  }

  /// What a task left, by its header; nil where it has not run.
  func file(of number: Int) throws -> WorkFile? {
    guard works[number].fileName != nil else { return nil }
    return try WorkFile(path: path(of: number), fingerprint: fingerprint)
  }

  /// What a task left, read by `body`, which gives nil for what is damaged.
  ///
  /// - Throws: `MergeJobError.damaged`, after removing the file; `PlanError.missingTasks`, what
  ///   `body` throws.
  func result<Value>(of number: Int, _ body: (WorkFile) throws -> Value?) throws -> Value {
    guard let file = try file(of: number) else {
      throw PlanError.missingTasks([number])
    }
    if let value = try body(file) { return value }
    let path = path(of: number)
    try Paths.remove(path)
    throw MergeJobError.damaged(path: path, task: number)
  }

  /// - Throws: `PlanError.noTask`.
  func check(_ number: Int) throws(PlanError) {
    guard works.indices.contains(number) else {
      throw .noTask(found: number, count: works.count)
    }
  }

  /// - Throws: `PlanError.missingTasks` with all that have not run.
  func requireDone(_ needed: [Int]) throws {
    let missing = try needed.filter { try file(of: $0) == nil }
    guard missing.isEmpty else { throw PlanError.missingTasks(missing) }
  }
}
