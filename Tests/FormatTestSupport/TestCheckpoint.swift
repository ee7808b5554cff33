package import TestSupport

/// A checkpoint in a temporary folder.
package struct TestCheckpoint {
  package let folder = TemporaryFolder()
  package var zip = ZipBuilder()

  package var path: String { folder.file("model.pt") }

  /// An archive of a pickle and the storages it names.
  package init(pickle: [UInt8], storages: [TorchStorage] = [], byteOrder: String? = "little") {
    zip.add("model/data.pkl", pickle)
    if let byteOrder { zip.add("model/byteorder", Array(byteOrder.utf8)) }
    for storage in storages { zip.add("model/data/\(storage.key)", storage.bytes) }
    zip.add("model/version", Array("3\n".utf8))
  }

  /// A dictionary of tensors with a storage each, or sharing those of one key.
  package init(_ tensors: KeyValuePairs<String, TorchTensor>) {
    self.init(
      pickle: PickleBuilder.pickle { pickle in
        pickle.op("}(")
        for (name, tensor) in tensors {
          pickle.text(name)
          pickle.tensor(tensor)
        }
        pickle.op("u")
      }, storages: TestCheckpoint.distinct(tensors.map(\.value.storage)))
  }

  package static func distinct(_ storages: [TorchStorage]) -> [TorchStorage] {
    var keys: Set<String> = []
    return storages.filter { keys.insert($0.key).inserted }
  }

  /// The position of an entry in the builder.
  package func entry(_ name: String) -> Int {
    zip.entries.firstIndex { $0.central.name == Array(name.utf8) } ?? 0
  }

  /// Changes an entry.
  package mutating func edit(_ name: String, _ change: (inout ZipBuilder.Entry) -> Void) {
    change(&zip.entries[entry(name)])
  }
}
