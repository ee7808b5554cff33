/// The classes and functions that a pickle may name: those that build tensors and plain values.
package enum PickleGlobal: Sendable, Equatable {
  /// `torch._utils._rebuild_tensor`, and its second and third version.
  case rebuildTensor(version: Int)
  /// `torch._utils._rebuild_parameter`, and the form that carries Python attributes.
  case rebuildParameter(withState: Bool)
  /// `collections.OrderedDict`
  case orderedDictionary
  /// `torch.Size`
  case size
  /// A storage class.
  case storage(name: String, StorageType)
  /// A `torch.dtype`.
  case dtype(name: String, StorageType)

  /// Finds what a pickle names.
  ///
  /// - Throws: `PickleProblem.attributeChain` where an allowed module is asked for a name with
  ///   dots, `PickleProblem.forbiddenGlobal` for anything else that is not allowed.
  init(module: String, name: String) throws(PickleProblem) {
    let path = "\(module).\(name)"
    switch (module, name) {
    case ("torch._utils", "_rebuild_tensor"): self = .rebuildTensor(version: 1)
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor(version: 2)
    case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTensor(version: 3)
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter(withState: false)
    case ("torch._utils", "_rebuild_parameter_with_state"):
      self = .rebuildParameter(withState: true)
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch", "Size"): self = .size
    case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"):
      self = .storage(name: path, .untyped)
    case ("torch.storage", "TypedStorage"):
      self = .storage(name: path, .unsupported("TypedStorage"))
    case ("torch", _):
      if let type = StorageType.storageClass(name) {
        self = .storage(name: path, type)
      } else if let type = StorageType.dtype(name) {
        self = .dtype(name: path, type)
      } else {
        throw PickleGlobal.refusal(module, name, path)
      }
    default: throw PickleGlobal.refusal(module, name, path)
    }
  }

  private static func refusal(_ module: String, _ name: String, _ path: String) -> PickleProblem {
    let isAllowedModule = ["torch", "torch._utils", "torch.storage", "collections"].contains(module)
    return isAllowedModule && name.utf8.contains(UInt8(ascii: "."))
      ? .attributeChain(path) : .forbiddenGlobal(path)
  }

  /// The name with its module.
  package var name: String {
    switch self {
    case .rebuildTensor(let version):
      "torch._utils._rebuild_tensor\(version == 1 ? "" : "_v\(version)")"
    case .rebuildParameter(let withState):
      "torch._utils._rebuild_parameter\(withState ? "_with_state" : "")"
    case .orderedDictionary: "collections.OrderedDict"
    case .size: "torch.Size"
    case .storage(let name, _), .dtype(let name, _): name
    }
  }
}
