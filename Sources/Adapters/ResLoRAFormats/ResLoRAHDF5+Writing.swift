internal import ByteIO
internal import HDF5
internal import Synchronization
internal import Tensors

extension ResLoRAHDF5: WritableAdapterFormat {
  static let identifier = "hdf5"
  static let fileExtensions = ["h5", "hdf5"]

  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws {
    let content = file.content
    let total = file.byteCount
    try Paths.requireSpace(total, at: path)
    let done = Atomic<Int>(0)
    try HDF5Writer.write(
      to: path, replacing: options.replacing, threads: options.threads,
      checkpoint: { try options.progress(done.load(ordering: .relaxed), total) }
    ) { root in
      try root.attribute("format", .string(AdapterContent.format))
      try root.attribute("version", .integer(AdapterContent.version))
      try root.attribute("structure", .string(content.structure.rawValue))
      try root.attribute("root", .string(content.root.rawValue))
      try root.attribute("pre_num", .integer(content.reach.rawValue))
      if let model = content.baseModel { try root.attribute("base_model", .string(model)) }
      try HDF5Layout.write(content.metadata, to: root)
      try root.group("blocks") { blocks in
        var tensor = 0
        for (index, block) in content.blocks.enumerated() {
          try blocks.group(HDF5LinkName.link(for: block.name.string)) { group in
            try write(block, index: index, to: group)
            for pair in 0..<block.pairs {
              for factor in [
                FactorName.a(pair, of: block.pairs), FactorName.b(pair, of: block.pairs),
              ] {
                let reference = TensorReference(source: file.tensors, index: tensor)
                try group.dataset(factor, from: reference)
                tensor += 1
                done.wrappingAdd(reference.info.byteCount, ordering: .relaxed)
              }
            }
          }
        }
      }
    }
  }

  private static func write(
    _ block: AdapterContent.BlockContent, index: Int, to group: HDF5GroupWriter
  ) throws {
    try group.attribute("index", .integer(index))
    try group.attribute("scaling", .double(block.scaling))
    if let previous = block.previous { try group.attribute("previous", .string(previous.string)) }
    try HDF5Windows.write(block.windows, to: group)
    guard let base = block.base else { return }
    try group.group("base") { group in
      try group.attribute("tensor", .string(base.tensor.name.string))
      try group.attribute("dtype", .string(base.tensor.dtype.rawValue))
      try group.attribute("shape", .integers(base.tensor.shape))
      try group.attribute("sha256", .string(base.sha256))
      guard let statistics = base.statistics else { return }
      try group.attribute("squared_norm", .double(statistics.squaredNorm))
      try group.group("cross") { cross in
        for (block, value) in statistics.cross.sorted(by: { $0.key < $1.key }) {
          try cross.attribute(block.string, .double(value))
        }
      }
    }
  }
}
