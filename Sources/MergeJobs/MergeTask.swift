internal import Planning

/// A task of a merge, and what it is about (Replay §9).
struct MergeTask: Sendable {
  let planned: PlannedTask
  /// The shard of the base, or the group of blocks.
  let index: Int
  /// The fold of a gram task.
  let fold: Int

  var stage: PlannedTask.Stage { planned.stage }

  /// The name of the file that it leaves in the work folder; nil for the last, which leaves none.
  var fileName: String? {
    switch stage {
    case .statistics: "statistics-\(index).safetensors"
    case .combine: "statistics.safetensors"
    case .gram: "gram-\(index)-\(fold).safetensors"
    case .fit: "fit-\(index).safetensors"
    case .fold, .finish: nil
    }
  }
}

extension [MergeTask] {
  /// Adds a task, numbered in its stage.
  mutating func append(
    _ stage: PlannedTask.Stage, _ name: String, index: Int = 0, fold: Int = 0, bytesRead: Int,
    bytesWritten: Int
  ) {
    append(
      MergeTask(
        planned: PlannedTask(
          stage: stage, part: count { $0.stage == stage }, name: name, bytesRead: bytesRead,
          bytesWritten: bytesWritten), index: index, fold: fold))
  }
}
