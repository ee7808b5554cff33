internal import Tensors

extension PEFTModules {
  /// Whether a module's tensors belong to a parameter of it (`target_parameters`).
  func isTarget(_ module: Module) -> Bool { false }

  func targetParts(_ modules: [Module]) throws -> [AdapterUpdates.Part] { [] }
}
