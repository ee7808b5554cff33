internal import ByteIO
internal import CHDF5
public import Tensors

/// A group that is being filled.
public final class HDF5GroupWriter {
  /// Its path in the file.
  public let path: String

  let session: WriterSession
  let id: hid_t
  let written: WrittenGroup

  init(session: WriterSession, id: hid_t, path: String, written: WrittenGroup) {
    self.session = session
    self.id = id
    self.path = path
    self.written = written
  }

  /// Adds a group, which `body` fills. `name` is a link's (`HDF5LinkName`).
  ///
  /// - Throws: `HDF5Error` where the name is taken; what `body` throws.
  public func group(_ name: String, _ body: (HDF5GroupWriter) throws -> Void) throws {
    try session.checkpoint()
    let groupPath = HDF5Group.join(path, name)
    let object = HDF5Object.group(groupPath)
    try require(linkName: name, object)
    let opened = try session.open(object) { library in
      let creation = try library.handle(
        "prepare", writing: true, library.H5Pcreate(library.GROUP_CREATE),
        closing: library.H5Pclose)
      try library.check(
        "prepare", writing: true, library.H5Pset_obj_track_times(creation.id, false))
      let link = try linkCreation(library)
      let group = try unsafe library.check(
        "create it", writing: true, library.H5Gcreate2(id, name, link.id, creation.id, 0))
      return (group, .group)
    }
    let child = WrittenGroup()
    written.groups.append((name, child))
    try session.using(opened) { id in
      try body(HDF5GroupWriter(session: session, id: id, path: groupPath, written: child))
    }
  }

  /// A property list for links with names in UTF-8.
  func linkCreation(_ library: HDF5Library.Table) throws -> HDF5Handle {
    let list = try library.handle(
      "prepare", writing: true, library.H5Pcreate(library.LINK_CREATE), closing: library.H5Pclose)
    try library.check(
      "prepare", writing: true, library.H5Pset_char_encoding(list.id, H5T_CSET_UTF8))
    return list
  }

  /// Refuses names that the library would take for a path, or cut.
  func require(linkName name: String, _ object: HDF5Object) throws {
    guard !name.isEmpty, name != ".", !name.utf8.contains(where: { $0 == 0 || $0 == 0x2f }) else {
      throw HDF5Error(
        path: session.output.path, object: object,
        reason: .writing(operation: "create it", text: "its name can't be that of a link"))
    }
  }

  // MARK: Attributes

  /// Adds an attribute: strings of fixed length, integers and floats of 64 bits
  /// (Adapter in HDF5 §1.2, §1.3).
  ///
  /// - Throws: `HDF5Error` where the name is taken or can't be one.
  public func attribute(_ name: String, _ value: HDF5Value) throws {
    let object = HDF5Object.attribute(name, of: path)
    guard !name.isEmpty, !name.utf8.contains(0) else {
      throw HDF5Error(
        path: session.output.path, object: object,
        reason: .writing(operation: "create it", text: "its name can't be that of an attribute"))
    }
    try session.library(object) { library in
      switch value {
      case .string(let text):
        let bytes = HDF5GroupWriter.padded(text)
        let type = try HDF5GroupWriter.stringType(size: bytes.count, library)
        try attribute(name, type: type.id, memory: type.id, count: nil, bytes, library)
      case .integer(let number):
        try attribute(
          name, type: library.STD_I64LE, memory: library.NATIVE_INT64, count: nil,
          [Int64(number)], library)
      case .integers(let numbers):
        try attribute(
          name, type: library.STD_I64LE, memory: library.NATIVE_INT64, count: numbers.count,
          numbers.map(Int64.init), library)
      case .double(let number):
        try attribute(
          name, type: library.IEEE_F64LE, memory: library.NATIVE_DOUBLE, count: nil, [number],
          library)
      case .doubles(let numbers):
        try attribute(
          name, type: library.IEEE_F64LE, memory: library.NATIVE_DOUBLE, count: numbers.count,
          numbers, library)
      case .unsupported(let kind):
        throw LibraryFailure(.unsupported(kind))
      }
    }
    written.attributes.append(HDF5Attribute(name: name, value: value))
  }

  private func attribute<Element: BitwiseCopyable>(
    _ name: String, type: hid_t, memory: hid_t, count: Int?, _ values: [Element],
    _ library: HDF5Library.Table
  ) throws {
    let space = try HDF5GroupWriter.space(count.map { [$0] } ?? [], library)
    let creation = try library.handle(
      "prepare", writing: true, library.H5Pcreate(library.ATTRIBUTE_CREATE),
      closing: library.H5Pclose)
    try library.check(
      "prepare", writing: true, library.H5Pset_char_encoding(creation.id, H5T_CSET_UTF8))
    let attribute = try unsafe library.handle(
      "create it", writing: true, library.H5Acreate2(id, name, type, space.id, creation.id, 0),
      closing: library.H5Aclose)
    guard !values.isEmpty else { return }
    try unsafe library.check(
      "write it", writing: true, library.H5Awrite(attribute.id, memory, values))
  }

  /// The bytes of a string, at least one.
  private static func padded(_ text: String) -> [UInt8] {
    text.isEmpty ? [0] : Array(text.utf8)
  }

  private static func stringType(size: Int, _ library: HDF5Library.Table) throws -> HDF5Handle {
    let type = try library.handle(
      "prepare", writing: true, library.H5Tcopy(library.C_S1), closing: library.H5Tclose)
    try library.check("prepare", writing: true, library.H5Tset_size(type.id, size))
    try library.check("prepare", writing: true, library.H5Tset_strpad(type.id, H5T_STR_NULLPAD))
    try library.check("prepare", writing: true, library.H5Tset_cset(type.id, H5T_CSET_UTF8))
    return type
  }

  static func space(_ shape: [Int], _ library: HDF5Library.Table) throws -> HDF5Handle {
    let extents = shape.map { hsize_t($0) }
    let id =
      unsafe shape.isEmpty
      ? library.H5Screate(H5S_SCALAR)
      : library.H5Screate_simple(Int32(shape.count), extents, nil)
    return try library.handle("prepare", writing: true, id, closing: library.H5Sclose)
  }

  // MARK: Datasets

  /// Adds a scalar string (Adapter in HDF5 §1.2).
  public func text(_ name: String, _ text: String) throws {
    let bytes = HDF5GroupWriter.padded(text)
    let object = HDF5Object.dataset(HDF5Group.join(path, name))
    try require(linkName: name, object)
    let opened = try session.open(object) { library in
      let type = try HDF5GroupWriter.stringType(size: bytes.count, library)
      return (try create(name, type: type.id, shape: [], chunk: nil, library), .dataset)
    }
    try session.using(opened) { id in
      let offset = try session.place(of: id, object)
      try unsafe bytes.withUnsafeBytes { try unsafe session.output.write($0, at: offset) }
    }
    written.texts.append((name, text))
  }

  /// Adds an array of F64 of rank 1.
  public func doubles(_ name: String, _ values: [Double]) throws {
    try dataset(name, dtype: .f64, shape: [values.count]) { dataset in
      try unsafe Conversion.bytes(from: values, dtype: .f64).withUnsafeBytes {
        try unsafe dataset.append($0)
      }
    }
  }

  /// Adds a dataset of F64, F32, F16 or BF16, whose bytes `body` gives in row-major order,
  /// little-endian (Adapter in HDF5 §1.5).
  ///
  /// - Throws: `HDF5Error` where the name is taken, bytes are missing or too many; what `body`
  ///   throws.
  public func dataset(
    _ name: String, dtype: DType, shape: [Int], _ body: (HDF5DatasetWriter) throws -> Void
  ) throws {
    try session.checkpoint()
    let object = HDF5Object.dataset(HDF5Group.join(path, name))
    try require(linkName: name, object)
    let info: TensorInfo
    do {
      info = try TensorInfo(name: TensorName(name), dtype: dtype, shape: shape)
    } catch {
      throw HDF5Error(path: session.output.path, object: object, reason: .info(error))
    }
    let plan = DatasetPlan(info)
    let opened = try session.open(object) { library in
      let type = try HDF5GroupWriter.floatType(dtype, library)
      return (
        try create(name, type: type.id, shape: shape, chunk: plan.chunk, library), .dataset
      )
    }
    let record = WrittenDataset(info: info, pieceSize: plan.pieceSize)
    try session.using(opened) { id in
      let dataset = try HDF5DatasetWriter(
        session: session, id: id, object: object, plan: plan, written: record)
      try body(dataset)
      try dataset.finish()
    }
    written.datasets.append((name, record))
  }

  /// Adds a tensor of a source, read a piece at a time.
  ///
  /// - Throws: `HDF5Error`, errors of the source.
  public func dataset(_ name: String, from reference: TensorReference) throws {
    try dataset(name, dtype: reference.info.dtype, shape: reference.info.shape) { dataset in
      try dataset.append(reference)
    }
  }

  private func create(
    _ name: String, type: hid_t, shape: [Int], chunk: [Int]?, _ library: HDF5Library.Table
  ) throws -> hid_t {
    let creation = try library.handle(
      "prepare", writing: true, library.H5Pcreate(library.DATASET_CREATE),
      closing: library.H5Pclose)
    try library.check(
      "prepare", writing: true, library.H5Pset_obj_track_times(creation.id, false))
    try library.check(
      "prepare", writing: true, library.H5Pset_fill_time(creation.id, H5D_FILL_TIME_NEVER))
    if let chunk {
      let extents = chunk.map { hsize_t($0) }
      try unsafe library.check(
        "prepare", writing: true,
        library.H5Pset_chunk(creation.id, Int32(chunk.count), extents))
      try library.check("prepare", writing: true, library.H5Pset_shuffle(creation.id))
      try library.check(
        "prepare", writing: true,
        library.H5Pset_deflate(creation.id, UInt32(DatasetPlan.deflateLevel)))
    } else {
      // Its place is known at once, and the bytes are written there without the library.
      try library.check(
        "prepare", writing: true, library.H5Pset_alloc_time(creation.id, H5D_ALLOC_TIME_EARLY))
    }
    let space = try HDF5GroupWriter.space(shape, library)
    let link = try linkCreation(library)
    return try unsafe library.check(
      "create it", writing: true,
      library.H5Dcreate2(id, name, type, space.id, link.id, creation.id, 0))
  }

  private static func floatType(_ dtype: DType, _ library: HDF5Library.Table) throws -> HDF5Handle {
    precondition(dtype.isArithmetic, "\(dtype) has no type in HDF5")
    let base = dtype == .f64 ? library.IEEE_F64LE : library.IEEE_F32LE
    let type = try library.handle(
      "prepare", writing: true, library.H5Tcopy(base), closing: library.H5Tclose)
    guard let fields = FloatFields.of(dtype), fields.size == 2 else { return type }
    try library.check(
      "prepare", writing: true,
      library.H5Tset_fields(
        type.id, fields.signPosition, fields.exponentPosition, fields.exponentSize,
        fields.mantissaPosition, fields.mantissaSize))
    try library.check("prepare", writing: true, library.H5Tset_size(type.id, fields.size))
    try library.check("prepare", writing: true, library.H5Tset_ebias(type.id, fields.bias))
    return type
  }
}
