import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Headers that look odd and are right; numbers are those of the project's list of bad inputs.
@Suite struct AcceptedHeaderTests {
  @Test("11: names composed and decomposed are two tensors")
  func canonicalEquivalents() throws {
    let composed = TestHeader.entry("\u{e9}", dtype: "U8", offsets: "[0,1]")
    let decomposed = TestHeader.entry("e\u{301}", dtype: "U8", offsets: "[1,2]")
    let file = try TestHeader.open(TestHeader.file("{\(composed),\(decomposed)}") + [7, 9])
    #expect(file.tensors.map(\.name) == ["\u{e9}", "e\u{301}"])
    let indices = (file.index(of: "\u{e9}"), file.index(of: "e\u{301}"))
    #expect(indices == (0, 1))
    #expect(try file.bytes(of: 0) == [7])
    #expect(try file.bytes(of: 1) == [9])
  }

  @Test("11: metadata keys composed and decomposed are two keys")
  func canonicalMetadata() throws {
    let file = try TestHeader.open(
      TestHeader.file("{\"__metadata__\":{\"\u{e9}\":\"1\",\"e\u{301}\":\"2\"}}"))
    #expect(file.header.metadata.map(\.value) == ["1", "2"])
  }

  @Test(
    "28: names are only names, whatever is in them",
    arguments: [
      "", "\0", "a\0b", "\u{1b}[31m", "../x", "/etc/passwd", "..", ".", "\u{7f}", "\u{202e}",
      "a\nb",
      "\u{1f600}", "__metadata", "__METADATA__",
    ])
  func oddNames(_ name: String) throws {
    let text = JSONValue.string(name).serialized().dropFirst().dropLast()
    let file = try TestHeader.open(
      TestHeader.file("{\(TestHeader.entry(String(text)))}") + [1, 2, 3, 4])
    #expect(file.tensors.map(\.name) == [TensorName(name)])
    #expect(file.index(of: TensorName(name)) == 0)
    #expect(try file.bytes(of: 0) == [1, 2, 3, 4])
  }

  @Test("28: an error escapes what would steer a terminal in a name and in a path")
  func escaped() throws {
    let folder = TemporaryFolder()
    let header = "{\(TestHeader.entry(#"\u001b[31m\u0000\u202e"#, offsets: "[0,8]"))}"
    let path = try folder.write(TestHeader.file(header, data: 8), to: "a\u{1b}b")
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: path) }
    #expect(error?.tensor == "\u{1b}[31m\0\u{202e}")
    #expect(
      error?.description
        == folder.file(#"a\u{1b}b: tensor '\u{1b}[31m\u{0}\u{202e}': "#)
        + "data size does not fit dtype and shape (found 8 bytes, expected 4)")
  }

  @Test(
    "29: zero dimensions and rank 0",
    arguments: [
      ("F32", "[]", 4, [], 1), ("F64", "[0]", 0, [0], 0), ("BF16", "[3,0,2]", 0, [3, 0, 2], 0),
      ("U8", "[1,1,1,1,1,1,1,1]", 1, [1, 1, 1, 1, 1, 1, 1, 1], 1), ("F4", "[0]", 0, [0], 0),
      ("BOOL", "[9223372036854775807,0]", 0, [.max, 0], 0),
    ])
  func degenerate(
    _ dtype: String, _ text: String, _ size: Int, _ shape: [Int], _ elements: Int
  ) throws {
    let header = "{\(TestHeader.entry(dtype: dtype, shape: text, offsets: "[0,\(size)]"))}"
    let file = try TestHeader.open(TestHeader.file(header, data: size))
    #expect(file.tensors.map(\.shape) == [shape])
    #expect(file.tensors.map(\.elementCount) == [elements])
    #expect(try file.bytes(of: 0).count == size)
  }

  @Test(
    "30: white space before, after and inside the header",
    arguments: [
      (" ", ""), ("\n\t\r ", "  \n"), ("", String(repeating: " ", count: 7)),
    ])
  func whiteSpace(_ before: String, _ after: String) throws {
    let header =
      before + #"{ "x" : { "dtype":"F32", "shape":[ 1 ] ,"data_offsets":[0 , 4]} }"# + after
    let file = try TestHeader.open(TestHeader.file(header, data: 4))
    #expect(file.tensors.map(\.name) == ["x"])
    #expect(file.header.text == Array(header.utf8))
    #expect(file.header.dataStart == 8 + header.utf8.count)
  }

  @Test("a header without tensors", arguments: ["{}", "{}      ", #"{"__metadata__":{"a":"b"}}"#])
  func noTensors(_ header: String) throws {
    let file = try TestHeader.open(TestHeader.file(header))
    #expect(file.tensors.isEmpty)
  }

  @Test("metadata keep their order and their escapes; null stands for none")
  func metadata() throws {
    let file = try TestHeader.open(
      TestHeader.file(#"{"__metadata__":{"z":"1","a":"\u00e9\n","":"\"\\\/"}}"#))
    #expect(file.header.metadata.map(\.key) == ["z", "a", ""])
    #expect(file.header.metadata.map(\.value) == ["1", "\u{e9}\n", #""\/"#])
    let none = try TestHeader.open(TestHeader.file(#"{"__metadata__":null}"#))
    #expect(none.header.metadata.isEmpty)
  }

  @Test("metadata may stand after tensors; unknown keys of an entry are passed over")
  func order() throws {
    let entry = #"{"more":{"a":[1,null]},"data_offsets":[0,4],"shape":[1],"dtype":"F32"}"#
    let file = try TestHeader.open(
      TestHeader.file(#"{"x":\#(entry),"__metadata__":{"format":"pt"}}"#, data: 4))
    #expect(file.tensors.map(\.name) == ["x"])
    #expect(file.header.metadata.map(\.key) == ["format"])
  }

  @Test("every dtype is read under its own name", arguments: DType.allCases)
  func dtypes(_ dtype: DType) throws {
    let entry = TestHeader.entry(
      dtype: dtype.rawValue, shape: "[4]", offsets: "[0,\(dtype.bitWidth / 2)]")
    let file = try TestHeader.open(TestHeader.file("{\(entry)}", data: dtype.bitWidth / 2))
    #expect(file.tensors.map(\.dtype) == [dtype])
  }

  @Test("a name of 4096 bytes is read, one of 4097 is refused")
  func nameLength() throws {
    let longest = String(repeating: "\u{e9}", count: 2048)
    let file = try TestHeader.open(TestHeader.file("{\(TestHeader.entry(longest))}", data: 4))
    #expect(file.index(of: TensorName(longest)) == 0)
    let short = String(repeating: "\u{e9}", count: 32) + "…"
    try TestHeader.expectRefused(
      header: "{\(TestHeader.entry(longest + "x"))}", tensor: TensorName(short),
      .nameTooLong(found: 4097, limit: 4096),
      line: "tensor '\(short)': name too long (found 4097 bytes, expected at most 4096)")
  }
}
