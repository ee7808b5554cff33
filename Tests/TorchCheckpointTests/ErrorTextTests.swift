import Tensors
import Testing
import TorchCheckpoint

/// Errors are one line, whatever the file put into them.
struct ErrorTextTests {
  private static let nasty = "a\n\u{1b}[2J\u{202e}" + String(repeating: "b", count: 100_000)

  private static let zip: [ZipProblem] = [
    .noEndRecord, .severalDisks, .tooManyEntries(found: 1, limit: 2), .zip64RecordMissing,
    .zip64RecordDiffers(field: "f", found: 1, expected: 2),
    .directoryOutsideFile(offset: 1, length: 2, available: 3),
    .directoryTooLarge(found: 1, limit: 2), .directoryDamaged(entry: 1, count: 2),
    .nameNotUTF8(entry: 1), .duplicateName(nasty), .encrypted(entry: nasty),
    .unsupportedFlags(entry: nasty, found: 1), .unsupportedMethod(entry: nasty, found: 1),
    .extraFieldDamaged(entry: nasty), .storedSizesDiffer(entry: nasty, found: 1, expected: 2),
    .impossibleSize(entry: nasty, found: 1, limit: 2),
    .entryOutsideFile(entry: nasty, offset: 1, length: 2, available: 3),
    .localHeaderMissing(entry: nasty, offset: 1),
    .localHeaderDiffers(entry: nasty, field: "f", found: 1, expected: 2),
    .localNameDiffers(entry: nasty, found: nasty), .overlap(first: nasty, second: nasty),
    .wrongChecksum(entry: nasty, found: 1, expected: 2), .deflateDamaged(entry: nasty),
    .wrongInflatedSize(entry: nasty, found: 1, expected: 2),
    .wrongInflatedSize(entry: nasty, found: 3, expected: 2),
  ]

  private static let pickle: [PickleProblem] = [
    .forbiddenGlobal(nasty), .attributeChain(nasty), .refusedOpcode("X", offset: 1),
    .unknownOpcode(1, offset: 1), .unsupportedProtocol(found: 6, limit: 5),
    .endedEarly(opcode: "X", offset: 1), .noStop, .stackUnderflow(opcode: "X", offset: 1),
    .wrongOperand(opcode: "X", found: "a", expected: "b"),
    .badArguments(function: "f", expected: "x"), .missingMemo(index: 1),
    .memoIndexTooLarge(found: 1, limit: 2), .tooMany(.operations, limit: 2), .notUTF8(offset: 1),
  ]

  private static let tensor: [TorchCheckpointError.TensorProblem] = [
    .duplicateName, .nameTooLong(found: 1, limit: 2), .unsupportedType(nasty), .transformed,
    .malformedShape, .wrongStrideCount(found: 1, expected: 2), .info(.negativeDimension(found: -1)),
    .negativeOffset(found: -1), .negativeStride(found: -1),
    .outsideStorage(found: 7, expected: 6), .outsideStorage(found: nil, expected: 6),
    .repeatsTooMuch(found: 1, limit: 2), .missingStorage(key: nasty),
    .wrongStorageSize(found: 1, expected: 2), .wrongStorageSize(found: 1, expected: nil),
  ]

  private static let errors: [TorchCheckpointError] =
    [
      .notACheckpoint(path: nasty), .legacyFormat(path: nasty, found: .tar), .noPickle(path: nasty),
      .severalPickles(path: nasty, first: nasty, second: nasty), .torchScript(path: nasty),
      .entryTooLarge(path: nasty, entry: nasty, found: 1, limit: 2),
      .inflatedTooLarge(path: nasty, found: 1, limit: 2), .byteOrder(path: nasty, found: nasty),
      .notADictionary(path: nasty, found: nasty), .noTensors(path: nasty, keys: []),
      .noTensors(path: nasty, keys: [String](repeating: nasty, count: 1000)),
    ] + zip.map { .archive(path: nasty, $0) } + pickle.map { .pickle(path: nasty, $0) }
    + tensor.map { .tensor(path: nasty, name: TensorName(nasty), $0) }

  // By number: the test log would print the errors in full.
  @Test("One line, nothing that steers a terminal, of bounded length", arguments: errors.indices)
  func oneLine(index: Int) {
    let error = ErrorTextTests.errors[index]
    #expect(error.failureKind == .badData)
    #expect(error.path.utf8.count == ErrorTextTests.nasty.utf8.count)
    let text = error.description
    let start = "a\\u{a}\\u{1b}[2J\\u{202e}bbb"
    #expect(text.prefix(start.count) == start)
    let forbidden: Set<Unicode.Scalar> = ["\n", "\u{1b}", "\u{202e}"]
    #expect(!text.unicodeScalars.contains(where: forbidden.contains))
    // The path is the user's own; what the file says is cut.
    #expect(text.utf8.count < 100_000 + 2500)
  }

  @Test("The form of a line")
  func form() {
    let error = TorchCheckpointError.tensor(
      path: "m.bin", name: "x", .outsideStorage(found: 7, expected: 6))
    #expect(
      "\(error)"
        == "m.bin: tensor 'x': reaches beyond its storage (found 7 elements, expected at most 6)")
    let archive = TorchCheckpointError.archive(
      path: "m.bin", .wrongChecksum(entry: "m/data/0", found: 0xab, expected: 1))
    #expect(
      "\(archive)"
        == "m.bin: zip entry 'm/data/0': wrong checksum, the file is damaged (found 0xab, expected 0x1)"
    )
  }
}
