internal import Tensors

extension PEFTModules {
  /// A module's updates where its weight is saved too: the sum takes the place of the base's weight
  /// (Updates §3.8).
  ///
  /// - Throws: `AdapterError.unfitTensor`; `SidecarError` for a DoRA.
  func parts(
    _ parts: [AdapterUpdates.Part], on saved: StoredMatrix, of module: TensorName
  ) throws -> [AdapterUpdates.Part] {
    try parts.map { part in
      let meanings: [WeightUpdate] =
        switch part {
        case .certain(let update): [update]
        case .open(let open): open.choices.flatMap { $0.updates() }
        }
      guard meanings[0].parameter == .weight else { return part }
      guard let update = meanings.first(where: { $0.fits(saved.shape) }) else {
        try saved.require(false, meanings.map { "\($0.shape)" }.joined(separator: " or "))
        return part
      }
      guard case .add(let load) = update.action else {
        throw config.file.failure(
          .unsupported(
            "use_dora is set and the weight of '\(module)' is saved too",
            advice: "merge it with PEFT"))
      }
      return .certain(
        WeightUpdate(
          module: module, shape: saved.shape,
          action: .replace(TensorReference(source: SummedTensor(saved, load), index: 0)),
          kind: "\(update.kind) and saved weight", loadedElements: update.loadedElements))
    }
  }
}
