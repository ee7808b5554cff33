import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Both packages take the same descriptions for valid and the same for broken (Adapter §2).
@Suite(Python.isThere) struct VerdictTests {
  private let folder = TemporaryFolder()

  private static let hash = String(repeating: "ab", count: 32)
  private static let description =
    #"{"format":"reslora-adapter","version":1,"structure":"ms","root":"self","pre_num":2,"#
    + #""base_model":"base","metadata":{"k":"v"},"blocks":[{"name":"a","scaling":0.5,"#
    + #""previous":null,"windows":{"input":[1,2],"projection":[3],"capacity":7},"#
    + #""base":{"tensor":"w","dtype":"F32","shape":[2,2],"sha256":"\#(hash)","#
    + #""statistics":{"squared_norm":4,"cross":{"a":1.5}}}},{"name":"b","scaling":2,"#
    + #""previous":"a"}]}"#

  /// A text of the description, what stands there instead, and whether that is valid.
  private static let edits: [(text: String, instead: String, isValid: Bool)] = [
    ("", "", true),
    // Numbers, in all the forms of JSON.
    (#""scaling":0.5"#, #""scaling":5e-1"#, true), (#""scaling":0.5"#, #""scaling":-0"#, true),
    (#""scaling":0.5"#, #""scaling":0"#, true), (#""scaling":0.5"#, #""scaling":1e-400"#, true),
    (#""scaling":0.5"#, #""scaling":1e400"#, false), (#""scaling":0.5"#, #""scaling":.5"#, false),
    (#""scaling":0.5"#, #""scaling":05"#, false), (#""scaling":0.5"#, #""scaling":NaN"#, false),
    (#""scaling":0.5"#, #""scaling":"0.5""#, false), (#""scaling":0.5,"#, "", false),
    (#""version":1"#, #""version":1.0"#, false), (#""version":1"#, #""version":2"#, false),
    (#""version":1"#, #""version":true"#, false), (#""pre_num":2"#, #""pre_num":-1"#, true),
    (#""pre_num":2"#, #""pre_num":-2"#, false), (#""pre_num":2"#, #""pre_num":2e0"#, false),
    (#""pre_num":2"#, #""pre_num":9223372036854775807"#, true),
    (#""pre_num":2"#, #""pre_num":9223372036854775808"#, false),
    // Words and texts.
    (#""ms""#, #""MS""#, false), (#""ms""#, #""is""#, true), (#""self""#, #""other""#, false),
    (#""root":"self","#, "", true), (#""reslora-adapter""#, #""reslora""#, false),
    (#""base_model":"base""#, #""base_model":"\u0000""#, false),
    (#""base_model":"base""#, #""base_model":"""#, true),
    (#""k":"v""#, #""":"v""#, false), (#""k":"v""#, #""k":"\u0000""#, false),
    (#""k":"v""#, #""k":1"#, false), (#""k":"v""#, #""k":"\ud800""#, false),
    (#""k":"v""#, #""k":"\ud83d\ude00""#, true), (#""k":"v""#, #""k":"a","k":"b""#, false),
    // Keys nobody knows; whitespace; an end that is none.
    (#""k":"v"}"#, #""k":"v"},"z":[{}]"#, true), (#""root""#, "\n \"root\"", true),
    (#""previous":"a"}]}"#, #""previous":"a"}]},"#, false),
    (#""previous":"a"}]}"#, #""previous":"a"}],}"#, false),
    // Names and links.
    (#""previous":"a""#, #""previous":"b""#, false),
    (#""previous":"a""#, #""previous":"c""#, false),
    (#","previous":"a""#, "", true), (#""previous":null"#, #""previous":"b""#, false),
    (#""name":"b""#, #""name":"a""#, false), (#""name":"b""#, #""name":"""#, false),
    (#""name":"b""#, #""name":"c""#, false), (#""name":"b""#, #""name":"b","pairs":2"#, false),
    (#""name":"b""#, #""name":"b","pairs":1"#, true),
    (#""name":"b""#, #""name":"b","pairs":0"#, false),
    // What null says.
    (#""self""#, "null", true), (#""pre_num":2"#, #""pre_num":null"#, true),
    (#""base""#, "null", true), (#"{"k":"v"}"#, "null", true), (#""ms""#, "null", false),
    (#""scaling":2"#, #""scaling":null"#, false), (#""input":[1,2]"#, #""input":null"#, true),
    (#""capacity":7"#, #""capacity":null"#, true), (#""shape":[2,2]"#, #""shape":null"#, false),
    // Windows.
    (#""input":[1,2]"#, #""input":[-1]"#, false), (#""input":[1,2]"#, #""input":[-0]"#, true),
    (#""input":[1,2]"#, #""input":1"#, false), (#""input":[1,2]"#, #""input":["1"]"#, false),
    (#""capacity":7"#, #""capacity":2"#, true), (#""capacity":7"#, #""capacity":1"#, false),
    (#""capacity":7"#, #""capacity":0"#, false), (#""input":[1,2],"#, "", true),
    // Base weights.
    (#""F32""#, #""F33""#, false), (#""F32""#, #""F8_E4M3""#, true),
    ("ababab", "ABABAB", false), ("ababab", "abab", false), (#""shape":[2,2],"#, "", false),
    (#""shape":[2,2]"#, #""shape":[2,-2]"#, false), (#""shape":[2,2]"#, #""shape":[4]"#, false),
    (#""tensor":"w""#, #""tensor":"""#, false),
    (#""squared_norm":4"#, #""squared_norm":-4"#, false), (#""squared_norm":4,"#, "", false),
    (#","cross":{"a":1.5}"#, "", false), (#"{"a":1.5}"#, #"{"a":1.5,"b":1}"#, false),
    (#"{"a":1.5}"#, #"{"a":"1"}"#, false), (#"{"a":1.5}"#, #"{"c":1.5}"#, false),
  ]

  @Test("descriptions, whole and broken")
  func descriptions() throws {
    let names = Self.edits.indices.map { "\($0).safetensors" }
    for (name, edit) in zip(names, Self.edits) {
      var text = Self.description
      if !edit.text.isEmpty {
        let range = try #require(text.firstRange(of: edit.text), "\(edit.text)")
        text.replaceSubrange(range, with: edit.instead)
      }
      let tensors = ["a", "b"].flatMap {
        [
          TestTensor(.init("\($0).lora_A"), [1, 2]),
          TestTensor(.init("\($0).lora_B"), [2, 1], dtype: .bf16),
        ]
      }
      try folder.write(tensors: tensors, metadata: [("reslora", text)], to: name)
    }
    let validated = try Tool.run(["validate", "--json"] + names, in: folder.path).json()
    let found = (validated["files"]?.array ?? []).map { $0.object?["valid"]?.bool }
    let script = """
      from reslora_formats import FormatError, read_adapter
      for number in range(\(names.count)):
          try:
              read_adapter(f"{number}.safetensors")
              print("valid")
          except FormatError:
              print("broken")
      """
    let theirs = try Python.script(script, in: folder)
    try #require(found.count == names.count && theirs.count == names.count)
    for (number, edit) in Self.edits.enumerated() {
      #expect(found[number] == edit.isValid, "\(edit.text) -> \(edit.instead)")
      #expect(theirs[number] == (edit.isValid ? "valid" : "broken"), "\(edit.instead), Python")
    }
  }

  @Test("links in a plain adapter are ignored by both")
  func plain() throws {
    let script = """
      from reslora_formats.adapter_hdf5 import write_hdf5
      from reslora_formats.adapter_safetensors import write_safetensors
      from reslora_formats.sample import make_sample
      adapter = make_sample("is")
      adapter.structure = "plain"
      write_safetensors(adapter, "a.safetensors")
      write_hdf5(adapter, "a.h5")
      """
    _ = try Python.script(script, in: folder)
    try Python.batch([["make-sample", "b.safetensors", "--structure", "plain"]], in: folder)
    try folder.tool("convert", "a.h5", "c.safetensors")
    try folder.tool("convert", "a.safetensors", "d.safetensors")
    #expect(try folder.bytes("c.safetensors") == folder.bytes("b.safetensors"))
    #expect(try folder.bytes("d.safetensors") == folder.bytes("b.safetensors"))
    #expect(try folder.bytes("a.safetensors") != folder.bytes("b.safetensors"))
    #expect(
      Set(try Python.dump(["a.h5", "a.safetensors", "b.safetensors"], in: folder)).count == 1)
  }
}
