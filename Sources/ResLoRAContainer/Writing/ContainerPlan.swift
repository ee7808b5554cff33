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
  /// How the description and the table are cut.
  private let descriptionPieces: [Range<Int>]
  private let tablePieces: [Range<Int>]
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
      ContainerFormat.pieces(ofTensor: info.byteCount).map { Piece(tensor: tensor, range: $0) }
    }
    descriptionPieces = ContainerFormat.pieces(ofPart: self.description.count)
    tablePieces = ContainerFormat.pieces(ofPart: TensorTable.byteCount(of: infos))
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
    for (type, part) in [(ChunkType.description, descriptionPieces), (.tensors, tablePieces)] {
      let size = part.last?.upperBound ?? 0
      guard size <= ContainerFormat.maximumPartLength else {
        throw faults.failure(.partTooLarge(type, found: size))
      }
    }
    for chunk in ancillary where chunk.byteCount > ContainerFormat.maximumRawLength {
      throw faults.failure(.chunkTooLarge(chunk.type, found: chunk.byteCount))
    }
  }

  var chunkCount: Int {
    descriptionPieces.count + pieces.count + tablePieces.count + ancillary.count
  }

  /// The number of the first chunk of elements.
  var firstDataChunk: Int { descriptionPieces.count }

  /// The raw bytes of all tensors.
  var byteCount: Int { pieces.reduce(0) { $0 + $1.range.count } }

  /// The size of the file where nothing is compressed; no file is larger.
  var largestFileSize: Int {
    let raw =
      (descriptionPieces + pieces.map(\.range) + tablePieces).map(\.count)
      + ancillary.map(\.byteCount)
    return raw.reduce(ContainerFormat.headerSize) { $0 + ContainerFormat.aligned($1) }
      + chunkCount * ContainerFormat.entrySize
  }

  /// The chunks of each tensor, by their numbers in the file.
  var tensorChunks: [Range<Int>] {
    var next = firstDataChunk
    return infos.map { info in
      let first = next
      next += ContainerFormat.pieces(ofTensor: info.byteCount).count
      return first..<next
    }
  }
}
