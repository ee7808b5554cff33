internal import Safetensors
internal import Tensors

/// A piece of a restoration that one thread does alone.
struct RestorationTask: Sendable {
  /// The number of the base's file, and the position of the piece in it.
  let file: Int
  let position: Int
  /// The tensor in the folded checkpoint, and the position of the piece in it.
  let tensor: Int
  let offset: Int
  let count: Int
  /// The chunk whose difference is to be undone; nil where nothing changed.
  let chunk: Int?

  /// The most bytes that one task copies.
  static let copyBytes = 16 << 20

  /// Checks that the folded checkpoint has every tensor of the base and cuts the base's files into
  /// pieces, in the order of their bytes.
  ///
  /// - Throws: `UndoError.Problem.missingTensor`, `.differentTensor`.
  static func tasks(_ undo: UndoFile, from folded: any TensorSource) throws -> [RestorationTask] {
    var tasks: [RestorationTask] = []
    for (number, file) in undo.base.files.enumerated() {
      for (info, start) in zip(file.header.tensors, file.header.offsets) {
        let tensor = try find(info, in: folded)
        var done = 0
        func add(to end: Int, chunk: Int?) {
          let most = chunk == nil ? copyBytes : Int.max
          while done < end {
            let count = min(most, end - done)
            tasks.append(
              RestorationTask(
                file: number, position: file.header.dataStart + start + done, tensor: tensor,
                offset: done, count: count, chunk: chunk))
            done += count
          }
        }
        for chunk in undo.spans(of: info.name) {
          add(to: undo.chunks[chunk].offset, chunk: nil)
          add(to: undo.chunks[chunk].offset + undo.chunks[chunk].rawLength, chunk: chunk)
        }
        add(to: info.byteCount, chunk: nil)
      }
    }
    return tasks
  }

  private static func find(_ info: TensorInfo, in folded: any TensorSource) throws -> Int {
    guard let index = folded.index(of: info.name) else {
      throw UndoError(path: folded.label, problem: .missingTensor(info.name))
    }
    let found = folded.tensors[index]
    guard found.dtype == info.dtype, found.shape == info.shape else {
      func words(_ info: TensorInfo) -> String { "\(info.dtype.rawValue) \(info.shape)" }
      throw UndoError(
        path: folded.label,
        problem: .differentTensor(info.name, found: words(found), expected: words(info)))
    }
    return index
  }
}
