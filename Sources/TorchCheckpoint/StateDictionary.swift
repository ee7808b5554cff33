internal import Tensors

/// The dictionary of tensors inside what a checkpoint's pickle builds.
struct StateDictionary {
  /// The tensors by name, in the order of the file.
  let tensors: [(name: TensorName, tensor: PickleTensor)]
  /// The keys whose values were passed over, those of a wrapped dictionary with its own key and a
  /// dot before them.
  let ignoredKeys: [String]

  /// The keys under which trainers put a model's tensors beside other things.
  static let wrapperKeys = ["state_dict", "model_state_dict", "model", "module"]

  /// Finds the dictionary: the first under a wrapper's key that holds tensors, or the top level.
  ///
  /// - Throws: `TorchCheckpointError` where there is none, or a name stands twice.
  init(in root: PickleValue, heap: PickleHeap, path: String) throws {
    guard let top = root.dictionaryIndex else {
      throw TorchCheckpointError.notADictionary(path: path, found: root.kind)
    }
    let members = StateDictionary.members(of: top, in: heap)
    for wrapper in StateDictionary.wrapperKeys {
      let matches = members.filter { $0.key == .string(wrapper) }
      guard let inner = matches.first?.value.dictionaryIndex else { continue }
      guard matches.count == 1 else {
        throw TorchCheckpointError.tensor(path: path, name: TensorName(wrapper), .duplicateName)
      }
      let innerMembers = StateDictionary.members(of: inner, in: heap)
      guard innerMembers.contains(where: { $0.value.tensorIndex != nil }) else { continue }
      let (tensors, ignored) = try StateDictionary.split(innerMembers, heap, path)
      self.tensors = tensors
      ignoredKeys =
        members.filter { $0.key != .string(wrapper) }.map { StateDictionary.text(of: $0.key) }
        + ignored.map { "\(wrapper).\($0)" }
      return
    }
    (tensors, ignoredKeys) = try StateDictionary.split(members, heap, path)
    guard !tensors.isEmpty else {
      throw TorchCheckpointError.noTensors(path: path, keys: ignoredKeys)
    }
  }

  private typealias Member = (key: PickleValue, value: PickleValue)

  private static func members(of dictionary: Int, in heap: PickleHeap) -> [Member] {
    let values = heap.containers[dictionary]
    return stride(from: 0, to: values.count - 1, by: 2).map { (values[$0], values[$0 + 1]) }
  }

  private static func split(
    _ members: [Member], _ heap: PickleHeap, _ path: String
  ) throws -> (tensors: [(name: TensorName, tensor: PickleTensor)], ignored: [String]) {
    var tensors: [(name: TensorName, tensor: PickleTensor)] = []
    var ignored: [String] = []
    var names: Set<TensorName> = []
    for (key, value) in members {
      guard case .string(let string) = key else {
        ignored.append(text(of: key))
        continue
      }
      // Python would take the last of two; whoever reads the file next might take the first.
      let name = TensorName(string)
      guard names.insert(name).inserted else {
        throw TorchCheckpointError.tensor(path: path, name: name, .duplicateName)
      }
      if let index = value.tensorIndex {
        tensors.append((name, heap.tensors[index]))
      } else {
        ignored.append(string)
      }
    }
    return (tensors, ignored)
  }

  private static func text(of key: PickleValue) -> String {
    switch key {
    case .string(let string): string
    case .integer(let integer): "\(integer)"
    default: key.kind
    }
  }
}
