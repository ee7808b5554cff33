/// Writes pickles, operation by operation.
package struct PickleBuilder {
  package var bytes: [UInt8] = []

  /// Begins a pickle of a protocol, 2 being what PyTorch writes.
  package init(protocol version: UInt8 = 2) { bytes = [0x80, version] }

  /// The pickle that `operations` write, ended by STOP.
  package static func pickle(_ operations: (inout PickleBuilder) -> Void) -> [UInt8] {
    var builder = PickleBuilder()
    operations(&builder)
    return builder.bytes + Array(".".utf8)
  }

  /// Appends operations by their characters.
  ///
  /// `}` EMPTY_DICT, `)` EMPTY_TUPLE, `(` MARK, `s` SETITEM, `t` TUPLE, `R` REDUCE and so on.
  package mutating func op(_ characters: String) { bytes += Array(characters.utf8) }

  package mutating func raw(_ operation: [UInt8]) { bytes += operation }

  package mutating func text(_ text: String) {
    bytes += [0x58] + little(UInt32(text.utf8.count)) + Array(text.utf8)
  }

  /// BININT where it fits, LONG1 otherwise.
  package mutating func integer(_ value: Int) {
    if let short = Int32(exactly: value) {
      bytes += [0x4a] + little(short)
    } else {
      bytes += [0x8a, 8] + little(value)
    }
  }

  package mutating func global(_ module: String, _ name: String) {
    bytes += Array("c\(module)\n\(name)\n".utf8)
  }

  package mutating func tuple(_ values: [Int]) {
    op("(")
    for value in values { integer(value) }
    op("t")
  }

  package mutating func put(_ index: Int) { bytes += [0x72] + little(UInt32(index)) }

  package mutating func get(_ index: Int) { bytes += [0x6a] + little(UInt32(index)) }

  /// The persistent id of a storage, and its load.
  package mutating func storage(_ storage: TorchStorage) {
    op("(")
    text("storage")
    global(storage.module, storage.type)
    text(storage.key)
    text("cpu")
    integer(storage.declaredCount)
    op("tQ")
  }

  package mutating func tensor(_ tensor: TorchTensor) {
    global("torch._utils", tensor.function)
    op("(")
    storage(tensor.storage)
    integer(tensor.offset)
    tuple(tensor.shape)
    tuple(tensor.strides)
    if tensor.function != "_rebuild_tensor" {
      raw([0x89])
      global("collections", "OrderedDict")
      op(")R")
    }
    if let dtype = tensor.dtype { global("torch", dtype) }
    tensor.metadata(&self)
    op("tR")
  }

  /// A parameter around a tensor, as `nn.Parameter` is saved.
  package mutating func parameter(_ value: TorchTensor) {
    global("torch._utils", "_rebuild_parameter")
    op("(")
    tensor(value)
    raw([0x88])
    global("collections", "OrderedDict")
    op(")RtR")
  }
}
