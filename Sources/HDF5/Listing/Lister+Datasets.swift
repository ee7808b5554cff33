internal import CHDF5
internal import Tensors

extension Lister {
  /// Puts shape, type, layout, filters and fill value of a dataset, or why it is not read.
  mutating func put(dataset: hid_t, path: String) throws(LibraryFailure) {
    let (description, textSize) = try inObject(.dataset(path)) { () throws(LibraryFailure) in
      var description = try describe(dataset)
      try readText(of: dataset, into: &description)
      return (description, description.text.count)
    }
    attributeBytes += textSize
    description.put(into: &message)
  }

  /// Reads a scalar string of variable length, which counts as an attribute does.
  private func readText(
    of dataset: hid_t, into described: inout ListedDataset
  ) throws(LibraryFailure) {
    guard described.element == .variableString, described.problem == nil else { return }
    guard described.shape.isEmpty else {
      described.problem = "an array of \(described.element.kind)"
      return
    }
    let type = try library.handle(
      "read its type", library.H5Dget_type(dataset), closing: library.H5Tclose)
    described.text = try unsafe string { pointer throws(LibraryFailure) in
      try unsafe library.check("read", library.H5Dread(dataset, type.id, 0, 0, 0, pointer))
    }
  }

  private func describe(_ dataset: hid_t) throws(LibraryFailure) -> ListedDataset {
    let library = library
    let list = try library.handle(
      "read its layout", library.H5Dget_create_plist(dataset), closing: library.H5Pclose)
    let type = try library.handle(
      "read its type", library.H5Dget_type(dataset), closing: library.H5Tclose)
    var described = ListedDataset(element: elementType(type.id))
    // Asking a virtual dataset for its shape would open the files it is made of.
    let layout = library.H5Pget_layout(list.id)
    switch layout {
    case H5D_COMPACT, H5D_CONTIGUOUS: break
    case H5D_CHUNKED: described.isChunked = true
    case H5D_VIRTUAL:
      described.problem = "a virtual dataset"
      return described
    default:
      described.problem = "a dataset of an unknown layout"
      return described
    }
    guard try library.check("read its layout", library.H5Pget_external_count(list.id)) == 0 else {
      described.problem = "a dataset whose data lie in another file"
      return described
    }
    try describe(shapeOf: dataset, into: &described)
    if described.isChunked {
      try describe(filtersOf: list.id, into: &described)
    }
    try describe(fillValueOf: list.id, type: type.id, into: &described)
    return described
  }

  private func describe(
    shapeOf dataset: hid_t, into described: inout ListedDataset
  ) throws(LibraryFailure) {
    let space = try library.handle(
      "read its shape", library.H5Dget_space(dataset), closing: library.H5Sclose)
    switch library.H5Sget_simple_extent_type(space.id) {
    case H5S_SCALAR: return
    case H5S_SIMPLE: break
    default:
      described.problem = "a dataset without a shape"
      return
    }
    let rank = Int(
      try library.check("read its shape", library.H5Sget_simple_extent_ndims(space.id)))
    guard rank <= TensorInfo.maximumRank else {
      described.problem = "a dataset of rank \(rank)"
      return
    }
    var extents = [hsize_t](repeating: 0, count: rank)
    var maxima = extents
    try unsafe library.check(
      "read its shape", library.H5Sget_simple_extent_dims(space.id, &extents, &maxima))
    described.shape = extents
    described.maximumShape = maxima
  }

  private func describe(
    filtersOf list: hid_t, into described: inout ListedDataset
  ) throws(LibraryFailure) {
    let count = Int(try library.check("read its filters", library.H5Pget_nfilters(list)))
    guard count <= limits.filters else {
      described.problem = "a dataset with \(count) filters"
      return
    }
    for index in 0..<count {
      var flags: UInt32 = 0
      var valueCount = 8
      var values = [UInt32](repeating: 0, count: valueCount)
      var name = [CChar](repeating: 0, count: 64)
      let id = try unsafe library.check(
        "read its filters",
        library.H5Pget_filter2(
          list, UInt32(index), &flags, &valueCount, &values, name.count, &name, nil))
      switch id {
      case 1: described.filters.append(.deflate)
      case 2: described.filters.append(.shuffle(width: Int(values[0])))
      case 3: described.filters.append(.fletcher32)
      default:
        name[name.count - 1] = 0
        let text = String(
          decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        described.problem = "the filter \(id)\(text.isEmpty ? "" : " (\(text))")"
        return
      }
    }
  }

  private func describe(
    fillValueOf list: hid_t, type: hid_t, into described: inout ListedDataset
  ) throws(LibraryFailure) {
    guard case .float(let dtype, _) = described.element else { return }
    var status = H5D_FILL_VALUE_UNDEFINED
    try unsafe library.check("read its fill value", library.H5Pfill_value_defined(list, &status))
    guard status == H5D_FILL_VALUE_USER_DEFINED else { return }
    var bytes = [UInt8](repeating: 0, count: dtype.elementByteCount)
    try unsafe library.check("read its fill value", library.H5Pget_fill_value(list, type, &bytes))
    described.fill = bytes
  }

  // MARK: Types

  private func elementType(_ type: hid_t) -> HDF5ElementType {
    let kind = library.H5Tget_class(type)
    let size = library.H5Tget_size(type)
    switch kind {
    case H5T_FLOAT: return floatType(type, size: size)
    case H5T_STRING:
      guard library.H5Tis_variable_str(type) == 0 else {
        return .variableString
      }
      guard let padding = padding(of: type), size > 0 else {
        return .unsupported("strings of an unknown padding")
      }
      return .string(size: size, padding: padding)
    default: return .unsupported(Lister.name(ofClass: kind, size: size))
    }
  }

  private func floatType(_ type: hid_t, size: Int) -> HDF5ElementType {
    let other = HDF5ElementType.unsupported(Lister.name(ofClass: H5T_FLOAT, size: size))
    let order = library.H5Tget_order(type)
    guard order == H5T_ORDER_LE || order == H5T_ORDER_BE else { return other }
    guard size <= 8, library.H5Tget_precision(type) == 8 * size,
      library.H5Tget_offset(type) == 0, library.H5Tget_norm(type) == H5T_NORM_IMPLIED
    else { return other }
    var (sign, exponent, exponentSize, mantissa, mantissaSize) = (0, 0, 0, 0, 0)
    guard
      unsafe library.H5Tget_fields(
        type, &sign, &exponent, &exponentSize, &mantissa, &mantissaSize) >= 0
    else { return other }
    let fields = FloatFields(
      size: size, signPosition: sign, exponentPosition: exponent, exponentSize: exponentSize,
      mantissaPosition: mantissa, mantissaSize: mantissaSize, bias: library.H5Tget_ebias(type))
    guard let found = FloatFields.all.first(where: { $0.fields == fields }) else { return other }
    return .float(found.dtype, bigEndian: order == H5T_ORDER_BE)
  }
}
