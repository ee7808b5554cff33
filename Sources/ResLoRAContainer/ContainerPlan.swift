internal import ByteIO
internal import Tensors

/// What a writer will write, checked before the first byte: which bytes become which chunk.
struct ContainerPlan: Sendable {
  /// A piece of a tensor that becomes a `DATA` chunk.
  struct Piece: Sendable {
    let tensor: Int
    let range: Range<Int>
  }

  let description: [UInt8]
  let tensors: [TensorReference]
  let infos: [TensorInfo]
  let pieces: [Piece]
  let ancillary: [AncillaryChunk]

  /// Checks that the format can hold everything.
  ///
  /// - Throws: `ContainerError`, with the path of the file to be.
  init(
    description: String, tensors: [TensorReference], ancillary: [AncillaryChunk], path: String
  ) throws(ContainerError) {
    self.description = Array(description.utf8)
    self.tensors = tensors
    self.ancillary = ancillary
    infos = tensors.map(\.info)
    pieces = infos.enumerated().flatMap { tensor, info in
      stride(from: 0, to: info.byteCount, by: ContainerFormat.pieceLength).map {
        Piece(
          tensor: tensor, range: $0..<min($0 + ContainerFormat.pieceLength, info.byteCount))
      }
    }
    try check(FaultHandler(path: path))
  }

  private func check(_ faults: FaultHandler) throws(ContainerError) {
    guard infos.count <= ContainerFormat.maximumTensors else {
      throw faults.failure(.tooManyTensors(found: infos.count))
    }
    guard chunkCount <= ContainerFormat.maximumChunks else {
      throw faults.failure(.tooManyChunks(found: chunkCount))
    }
    var names: Set<TensorName> = []
    for (number, info) in infos.enumerated() {
      let subject = ContainerError.Subject(tensor: info.name)
      let utf8 = info.name.string.utf8
      guard !utf8.isEmpty, utf8.count <= UInt16.max, !utf8.contains(0) else {
        throw faults.failure(.badName(tensor: number))
      }
      guard names.insert(info.name).inserted else { throw faults.failure(.duplicateName, subject) }
      guard info.dtype.containerCode != nil else {
        throw faults.failure(.unsupportedDType(found: info.dtype), subject)
      }
    }
    let sizes =
      [(ChunkType.description, description.count), (.tensors, TensorTable.byteCount(of: infos))]
      + ancillary.map { ($0.type, $0.byteCount) }
    for (type, size) in sizes where size > ContainerFormat.maximumRawLength {
      throw faults.failure(.chunkTooLarge(type, found: size))
    }
  }

  var chunkCount: Int { pieces.count + 2 + ancillary.count }

  /// The raw bytes of all tensors.
  var byteCount: Int { pieces.reduce(0) { $0 + $1.range.count } }

  /// The size of the file where nothing is compressed; no file is larger.
  var largestFileSize: Int {
    let raw =
      [description.count, TensorTable.byteCount(of: infos)] + ancillary.map(\.byteCount)
      + pieces.map(\.range.count)
    return raw.reduce(ContainerFormat.headerSize) { $0 + ContainerFormat.aligned($1) }
      + chunkCount * ContainerFormat.entrySize
  }

  /// The chunks of each tensor, by their numbers in the file.
  var tensorChunks: [Range<Int>] {
    var next = 1
    return infos.map { info in
      let first = next
      next += (info.byteCount + ContainerFormat.pieceLength - 1) / ContainerFormat.pieceLength
      return first..<next
    }
  }
}
