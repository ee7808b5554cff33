internal import Adapters
internal import ByteIO
internal import Merging
internal import Tensors

/// The fits of one group as a task leaves them: the map R of each block, and what was chosen
/// (Replay §9.3).
enum FitFile {
  private static let recordName: TensorName = "fits"

  private static func name(_ position: Int) -> TensorName { TensorName("map.\(position)") }

  /// What goes into such a file.
  ///
  /// - Throws: `TensorInfoError`.
  static func parts(
    _ fitted: [BlockMerge], _ group: CalibratedFits.Group
  ) throws -> [WorkFile.Part] {
    let fits = fitted.compactMap(\.fittedJSON)
    precondition(fits.count == group.blocks.count, "all blocks of a group are fitted")
    return try fits.enumerated().map { position, fit in
      try WorkFile.Part(name(position), [fit.map.rows, fit.map.columns], fit.map.values)
    } + [WorkFile.Part(recordName, .array(fits.map(\.record)))]
  }

  /// Reads such a file.
  ///
  /// - Returns: nil where it is damaged.
  /// - Throws: errors of reading.
  static func read(
    _ file: WorkFile, _ fits: CalibratedFits, group number: Int
  ) throws -> [BlockMerge]? {
    let group = fits.groups[number]
    let shapes = group.blocks.map { [fits.adapter.blocks[$0].rank, group.features] }
    guard file.tensors.map(\.name) == shapes.indices.map(name) + [recordName],
      file.tensors.dropLast().map(\.shape) == shapes,
      file.tensors.dropLast().allSatisfy({ $0.dtype == .f64 }),
      let contents = try file.contents(),
      let records = (try? JSONValue(parsing: contents[shapes.count]))?.array,
      records.count == shapes.count
    else { return nil }
    let merges = shapes.indices.compactMap { position in
      BlockMerge(
        map: Matrix(
          rows: shapes[position][0], columns: shapes[position][1],
          values: contents[position].doubles), record: records[position])
    }
    return merges.count == shapes.count ? merges : nil
  }
}
