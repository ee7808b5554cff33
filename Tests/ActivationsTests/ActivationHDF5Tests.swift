import Activations
import ByteIO
import HDF5
import LoRATestSupport
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Activations in HDF5 (Activations §1, §3).
@Suite struct ActivationHDF5Tests {
  private let test = TestActivations()

  @Test("what the file says, several blocks sharing one input")
  func reads() throws {
    let path = try test.hdf5()
    let file = try ActivationFile(path: path)
    #expect(file.format == "activations in HDF5")
    #expect(file.tokens == 5)
    #expect(file.matrices.tensors.map(\.name) == ["layer 0", "layer 1"])
    #expect(file.matrices.tensors.map(\.dtype) == [.f16, .f32])
    #expect(file.inputs.map(\.block) == ["q", "up", "v"])
    #expect(file.inputs.map(\.matrix) == [0, 1, 0])
    #expect(file.metadata.map(\.key) == ["run"])
    #expect(file.metadata.map(\.value) == ["7"])
    #expect(try file.matrices.float64(of: 0) == (1...15).map(Double.init))
    #expect(try TestActivations.violations(path) == [])
  }

  typealias Changes = KeyValuePairs<String, HDF5Sketch.Part?>

  static let rows: [(Changes, ActivationError.Reason, rule: String)] = [
    (
      ["/@version": nil], .misplaced("attribute 'version' of / is missing", expected: "1"),
      "Activations §3"
    ),
    (
      ["/@version": .attribute(.string("1"))],
      .misplaced("attribute 'version' of / is a string", expected: "1"), "Activations §3"
    ),
    (
      ["/@version": .attribute(.integer(2))], .unknownVersion(found: 2, known: 1), "Versions §2"
    ),
    (
      ["/inputs": nil], .misplaced("no group /inputs", expected: "one"), "Activations §3"
    ),
    (
      ["/blocks": nil], .misplaced("no group /blocks", expected: "one"), "Activations §3"
    ),
    (
      ["/blocks/q@input": nil, "/blocks/q": .group],
      .misplaced("/blocks/q without 'input'", expected: "an input's name"), "Activations §3"
    ),
    (
      ["/blocks/q@input": .attribute(.integer(0))],
      .misplaced("/blocks/q without 'input'", expected: "an input's name"), "Activations §3"
    ),
    (
      ["/inputs": nil, "/inputs": .group, "/blocks": nil, "/blocks": .group], .noMatrices,
      "Activations §1"
    ),
    (
      ["/blocks/q@input": .attribute(.string("layer 2"))],
      .unknownMatrix(block: "q", found: "layer 2"), "Activations §1"
    ),
    (["/blocks/up": nil], .unnamedMatrices(["layer 1"]), "Activations §1"),
    (
      ["/inputs/layer 1": .tensor(.dataset([4, 2]))],
      .tokensDiffer("layer 1", found: 4, expected: 5), "Activations §1"
    ),
    (
      ["/inputs/layer 1": .tensor(.dataset([5]))], .notAMatrix("layer 1", found: [5]),
      "Activations §1"
    ),
    (
      ["/inputs/layer 1": .tensor(.dataset([5, 0]))], .notAMatrix("layer 1", found: [5, 0]),
      "Activations §1"
    ),
    // Two spellings of one name (Adapter in HDF5 §1.4).
    (
      ["/inputs/layer%200": .tensor(.dataset([5, 3]))], .repeatedMatrix("layer 0"),
      "Activations §1"
    ),
    (
      ["/blocks/%71@input": .attribute(.string("layer 0"))], .repeatedBlock("q"), "Activations §1"
    ),
  ]

  @Test("rules of activations, one broken at a time", arguments: rows.indices)
  func refused(_ number: Int) throws {
    let row = Self.rows[number]
    TestActivations.expectRefused(try test.hdf5(row.0), row.1, rule: row.rule)
  }

  static let objectRows: [(Changes, object: HDF5Object, HDF5Error.Reason)] = [
    (
      ["/inputs": nil, "/inputs": .text("x")], .group("/inputs"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/blocks": nil, "/blocks": .text("x")], .group("/blocks"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/metadata": nil, "/metadata": .text("x")], .group("/metadata"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/inputs/x": .group], .dataset("/inputs/x"),
      .wrongKind(found: "a group", expected: "a dataset")
    ),
    (
      ["/blocks/x": .text("x")], .group("/blocks/x"),
      .wrongKind(found: "a dataset", expected: "a group")
    ),
    (
      ["/inputs/x": .text("x")], .dataset("/inputs/x"),
      .wrongKind(found: "strings of 1 bytes", expected: "F64, F32, F16 or BF16")
    ),
    (
      ["/metadata/run": .tensor(.dataset([1]))], .dataset("/metadata/run"),
      .wrongKind(found: "F32 of shape [1]", expected: "a string")
    ),
  ]

  @Test("objects of the wrong kind", arguments: objectRows.indices)
  func wrongKind(_ number: Int) throws {
    let row = Self.objectRows[number]
    let path = try test.hdf5(row.0)
    let error = #expect(throws: HDF5Error.self) { try ActivationFile(path: path) }
    #expect(error == HDF5Error(path: path, object: row.object, reason: row.2))
  }

  @Test("names of links are escaped (Adapter in HDF5 §1.4)")
  func escapes() throws {
    let path = try test.hdf5([
      "/blocks/a%2Fb@input": .attribute(.string("i/n")),
      "/inputs/i%2Fn": .tensor(.dataset([5, 1])),
      "/metadata/%2E": .text("dot"),
    ])
    let file = try ActivationFile(path: path)
    #expect(file.inputs.first?.block == "a/b")
    #expect(file.matrices.index(of: "i/n") != nil)
    #expect(file.metadata.map(\.key) == [".", "run"])
  }

  @Test("bad escapes, in all three places (Adapter in HDF5 §1.4)")
  func badEscapes() throws {
    for (changed, found) in [
      (["/inputs/50%": .tensor(.dataset([5, 1]))], "/inputs/50%"),
      (["/blocks/50%@input": .attribute(.string("layer 0"))], "/blocks/50%"),
      (["/metadata/50%": .text("x")], "/metadata/50%"),
    ] as [(Changes, String)] {
      let error = #expect(throws: ContentError.self) {
        try ActivationFile(path: test.hdf5(changed))
      }
      #expect(error?.reason == .badEscape(found))
      #expect(error?.rule == "Adapter in HDF5 §1.4")
    }
  }

  @Test("metadata: two spellings of one key, a key with U+0000 (Adapter §1.7)")
  func metadata() throws {
    for (link, reason) in [
      ("%72un", ContentError.Reason.repeatedMetadata(key: "run")),
      ("a%00", .badMetadata(key: "a\0")),
    ] {
      let path = try test.hdf5(["/metadata/\(link)": .text("8")])
      let error = #expect(throws: ContentError.self) { try ActivationFile(path: path) }
      #expect(error?.reason == reason)
      #expect(error?.rule == "Adapter §1.7")
    }
  }

  @Test("what the page does not name is ignored, and warned of (Adapter in HDF5 §1.1)")
  func unknown() throws {
    let path = try test.hdf5([
      "/notes": .text("x"), "/@author": .attribute(.string("x")),
      "/inputs@unit": .attribute(.string("x")), "/blocks@x": .attribute(.integer(1)),
      "/blocks/q/weights": .tensor(.dataset([1, 1])),
      "/blocks/q@features": .attribute(.integer(3)),
    ])
    #expect(try ActivationFile(path: path).tokens == 5)
    func warning(_ what: String) -> String {
      "warning: \(what) is no part of it and is ignored [Adapter in HDF5 §1.1]"
    }
    let found = try TestActivations.violations(path)
    #expect(
      found == [
        warning("/notes"), warning("attribute author of /"),
        warning("attribute unit of /inputs"), warning("attribute x of /blocks"),
        warning("/blocks/q/weights"), warning("attribute features of /blocks/q"),
      ])
  }

  @Test("every broken rule is listed once")
  func all() throws {
    let path = try test.hdf5([
      "/@version": nil, "/inputs/50%": .tensor(.dataset([5, 1])), "/inputs/x": .group,
      "/blocks/q@input": .attribute(.string("layer 2")), "/blocks/v@input": nil,
      "/blocks/v": .group, "/metadata/a%00": .text("x"),
    ])
    let found = try TestActivations.violations(path)
    #expect(
      found == [
        "attribute 'version' of / is missing (expected 1) [Activations §3]",
        "bad escape in the name '/inputs/50%' (expected % and two hexadecimal digits) "
          + "[Adapter in HDF5 §1.4]",
        "dataset '/inputs/x': is of the wrong kind (found a group, expected a dataset)",
        "/blocks/v without 'input' (expected an input's name) [Activations §3]",
        "block 'q': its input is not in the file (found 'layer 2') [Activations §1]",
        "1 matrix is no block's input: 'layer 0' [Activations §1]",
        "bad metadata 'a\\u{0}' (expected a key that is not empty, no U+0000) [Adapter §1.7]",
      ])
  }

  @Test("no token at all")
  func empty() throws {
    let path = try test.hdf5([
      "/inputs/layer 0": .tensor(.dataset([0, 3], dtype: .f16)),
      "/inputs/layer 1": .tensor(.dataset([0, 2])),
    ])
    let file = try ActivationFile(path: path)
    #expect(file.tokens == 0)
    #expect(try file.matrices.float64(of: 0) == [])
  }
}
