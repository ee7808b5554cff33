package import ByteIO
internal import Safetensors
package import Tensors

/// An undo file opened for reading: everything but the differences is read and checked.
///
/// Memory: the base's headers a few times over, at most 256 MiB of them, and 80 bytes a chunk.
package final class UndoFile: Sendable {
  /// The base: its files, their headers, how they lay together.
  package let base: UndoBase
  /// The SHA-256 of every file of the base.
  package let digests: [SHA256Digest]
  /// The tensors that differ, in the order of the base.
  package let changed: [TensorName]

  let file: ReadableFile
  let chunks: [UndoChunk]
  /// The chunks of every changed tensor, by its number.
  let spans: [Range<Int>]
  private let numbers: [TensorName: Int]

  /// The file's path.
  package var path: String { file.path }

  /// The size of the file in bytes.
  package var size: Int { file.size }

  /// Opens a file and checks it, in the order of Undo §2.2.
  ///
  /// - Throws: `UndoError`; `SafetensorsError` for a base header that can't be; errors of reading.
  package init(path: String) throws {
    let file = try ReadableFile(path: path)
    let header = try UndoHeader(of: file)
    let chunks = try UndoDirectory.read(file, header)
    let description = try UndoFile.description(file, chunks)
    let (infos, numbers) = try UndoFile.tensors(of: description, path: path)
    spans = try UndoDirectory.spans(chunks, changed: infos, path: path)
    self.file = file
    self.chunks = chunks
    self.numbers = numbers
    base = description.base
    digests = description.digests
    changed = description.changed
  }

  /// The chunks that hold differences of a tensor; none for one that did not change.
  func spans(of name: TensorName) -> Range<Int> { numbers[name].map { spans[$0] } ?? 0..<0 }

  private static func description(
    _ file: ReadableFile, _ chunks: [UndoChunk]
  ) throws -> UndoDescription {
    let decoder = SpanDecoder(file: file)
    var bytes: [UInt8] = []
    for (number, chunk) in chunks.enumerated() where chunk.type == UndoChunk.base {
      guard bytes.count + chunk.rawLength <= UndoFormat.maximumDescriptionLength else {
        throw UndoError(
          path: file.path,
          problem: .tooMany(
            "bytes of headers", found: bytes.count + chunk.rawLength,
            limit: UndoFormat.maximumDescriptionLength))
      }
      unsafe bytes += try decoder.decode(chunk, number: number)
    }
    var parser = UndoDescriptionParser(bytes, path: file.path)
    return try parser.parse()
  }

  /// The changed tensors as the base's headers describe them, and their numbers.
  private static func tensors(
    of description: UndoDescription, path: String
  ) throws -> ([TensorInfo], [TensorName: Int]) {
    func malformed(_ what: String) -> UndoError {
      UndoError(path: path, problem: .malformed(what, rule: "§4.1"))
    }
    var numbers: [TensorName: Int] = [:]
    for (number, name) in description.changed.enumerated() {
      guard numbers.updateValue(number, forKey: name) == nil else {
        throw malformed("the changed tensor '\(name)' twice")
      }
    }
    var infos: [TensorInfo] = []
    var seen: Set<TensorName> = []
    for info in description.base.files.flatMap(\.header.tensors) {
      guard seen.insert(info.name).inserted else {
        throw malformed("the tensor '\(info.name)' in two files")
      }
      guard let number = numbers[info.name] else { continue }
      guard number == infos.count else { throw malformed("changed tensors out of order") }
      infos.append(info)
    }
    guard infos.count == numbers.count else {
      throw malformed("a changed tensor that the base does not have")
    }
    return (infos, numbers)
  }
}
