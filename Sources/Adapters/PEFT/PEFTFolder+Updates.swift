internal import ByteIO
internal import Tensors

extension PEFTFolder: UpdateFormat {
  static func updates(_ probe: InputProbe) throws -> AdapterUpdates {
    let found = try PEFTModules(probe)
    var notes = found.warnings
    var parts: [AdapterUpdates.Part] = []
    var empty = 0
    let targets = found.modules.filter(found.isTarget)
    for module in found.modules where !found.isTarget(module) {
      var added = try found.parts(of: module)
      if let saved = found.savedWeights[module.name] {
        added = try found.parts(added, on: StoredMatrix(saved), of: module.name)
      }
      if added.isEmpty { empty += 1 }
      parts += added
    }
    parts += try found.targetParts(targets)
    parts += try found.replacements.map { .certain(try replacement($0)) }
    guard !found.modules.isEmpty || !found.replacements.isEmpty else {
      throw AdapterError.noBlocks(source: probe.path)
    }
    if empty > 0 {
      notes.append(
        "\(empty) \(empty == 1 ? "module has" : "modules have") no rank left and \(empty == 1 ? "does" : "do") nothing"
      )
    }
    return AdapterUpdates(
      label: probe.path, format: name, parts: parts, tensors: found.source,
      config: found.config.file.path,
      notes: notes, baseModel: found.config.baseModel, firstNotPlain: found.firstNotPlain)
  }

  private static func replacement(_ found: PEFTModules.Replacement) throws -> WeightUpdate {
    let info = found.tensor.info
    guard info.dtype.isArithmetic else {
      throw AdapterError.unusableDType(
        source: found.tensor.source.label, tensor: info.name, found: info.dtype)
    }
    return WeightUpdate(
      module: found.name, parameter: .itself, shape: info.shape, action: .replace(found.tensor),
      kind: found.kind, loadedElements: 0)
  }
}
