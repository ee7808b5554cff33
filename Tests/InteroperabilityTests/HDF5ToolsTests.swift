import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// What people see who open our HDF5 files with other programs.
@Suite struct HDF5ToolsTests {
  private static let areThere: ConditionTrait = .enabled(
    if: Program.isInstalled("h5ls") && Program.isInstalled("h5dump"),
    "h5ls and h5dump are not installed (Debian: hdf5-tools)")

  private let folder = TemporaryFolder()

  private func run(_ arguments: String...) throws -> String {
    let outcome = try Program("/usr/bin/env", arguments, in: folder.path).wait()
    try #require(outcome.status == 0, "\(outcome.error)")
    return outcome.output
  }

  /// Paths and what is there, as `h5ls` lists them.
  private func listing(_ name: String) throws -> [String] {
    try run("h5ls", "-r", name).split(separator: "\n").map {
      $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }
  }

  /// The numbers of a dataset in the text of `h5dump`.
  private func numbers(_ dataset: String, _ name: String) throws -> [Double] {
    let text = try run("h5dump", "-y", "-w", "0", "-m", "%.17g", "-d", dataset, name)
    let data = try #require(text.firstRange(of: "DATA {"))
    return text[data.upperBound...].split { !"+-.e0123456789".contains($0) }
      .compactMap { Double($0) }
  }

  /// A few blocks of halves: 0.5, 1, 1.5, ….
  private func writeAdapter() throws {
    func halves(_ name: String, _ shape: [Int], _ dtype: DType) -> TestTensor {
      TestTensor(
        .init(name), shape, dtype: dtype,
        values: (1...shape.reduce(1, *)).map { Double($0) / 2 })
    }
    let hash = String(repeating: "01", count: 32)
    let description =
      #"{"format":"reslora-adapter","version":1,"structure":"is","root":"none","pre_num":-1,"#
      + #""base_model":"base","metadata":{"50%":"x","a/b":"two"},"#
      + #""blocks":[{"name":"l/0","scaling":0.5,"previous":null,"#
      + #""windows":{"input":[1.5,2,0.25],"capacity":7},"#
      + #""base":{"tensor":"l/0.weight","dtype":"F32","shape":[2,3],"sha256":"\#(hash)","#
      + #""statistics":{"squared_norm":6.5,"cross":{"l/0":-2}}}},"#
      + #"{"name":".","scaling":2,"previous":"l/0","pairs":2}]}"#
    try folder.write(
      tensors: [
        halves("l/0.lora_A", [2, 3], .f32), halves("l/0.lora_B", [2, 2], .f64),
        halves("..lora_A.0", [1, 3], .f16), halves("..lora_B.0", [2, 1], .bf16),
        halves("..lora_A.1", [1, 3], .f32), halves("..lora_B.1", [2, 1], .f32),
      ], metadata: [("reslora", description)], to: "a.safetensors")
    try folder.tool("convert", "a.safetensors", "a.h5")
  }

  @Test("h5ls lists an adapter as Adapter in HDF5 §2 lays it out", areThere)
  func adapterListing() throws {
    try writeAdapter()
    #expect(
      try listing("a.h5") == [
        "/ Group", "/blocks Group", "/blocks/%2E Group",
        "/blocks/%2E/lora_A.0 Dataset {1, 3}", "/blocks/%2E/lora_A.1 Dataset {1, 3}",
        "/blocks/%2E/lora_B.0 Dataset {2, 1}", "/blocks/%2E/lora_B.1 Dataset {2, 1}",
        "/blocks/l%2F0 Group", "/blocks/l%2F0/base Group", "/blocks/l%2F0/base/cross Group",
        "/blocks/l%2F0/lora_A Dataset {2, 3}", "/blocks/l%2F0/lora_B Dataset {2, 2}",
        "/blocks/l%2F0/windows Group", "/blocks/l%2F0/windows/input Dataset {3}",
        "/metadata Group", "/metadata/50%25 Dataset {SCALAR}", "/metadata/a%2Fb Dataset {SCALAR}",
      ])
  }

  @Test("h5dump shows its numbers, types and attributes", areThere)
  func adapterContent() throws {
    try writeAdapter()
    for (dataset, count) in [
      ("l%2F0/lora_A", 6), ("l%2F0/lora_B", 4), ("%2E/lora_A.0", 3), ("%2E/lora_B.0", 2),
      ("%2E/lora_A.1", 3), ("%2E/lora_B.1", 2),
    ] {
      let found = try numbers("/blocks/\(dataset)", "a.h5")
      #expect(found == (1...count).map { Double($0) / 2 }, "\(dataset)")
    }
    #expect(try numbers("/blocks/l%2F0/windows/input", "a.h5") == [1.5, 2, 0.25])
    let types = [
      ("l%2F0/lora_A", "H5T_IEEE_F32LE"), ("l%2F0/lora_B", "H5T_IEEE_F64LE"),
      ("%2E/lora_A.0", "16-bit little-endian floating-point 16-bit precision"),
      ("%2E/lora_B.0", "16-bit little-endian floating-point 16-bit precision"),
      ("l%2F0/windows/input", "H5T_IEEE_F64LE"),
    ]
    for (dataset, type) in types {
      let header = try run("h5dump", "-H", "-d", "/blocks/\(dataset)", "a.h5")
      #expect(header.contains("DATATYPE  \(type)\n"), "\(dataset)")
    }
    let attributes = [
      ("/format", "\"reslora-adapter\""), ("/version", "1"), ("/structure", "\"is\""),
      ("/root", "\"none\""), ("/pre_num", "-1"), ("/base_model", "\"base\""),
      ("/blocks/l%2F0/index", "0"), ("/blocks/%2E/index", "1"),
      ("/blocks/l%2F0/scaling", "0.5"), ("/blocks/%2E/previous", "\"l/0\""),
      ("/blocks/l%2F0/windows/capacity", "7"), ("/blocks/l%2F0/base/tensor", "\"l/0.weight\""),
      ("/blocks/l%2F0/base/dtype", "\"F32\""), ("/blocks/l%2F0/base/shape", "2, 3"),
      ("/blocks/l%2F0/base/squared_norm", "6.5"),
    ]
    for (attribute, value) in attributes {
      let text = try run("h5dump", "-y", "-a", attribute, "a.h5")
      let data = text.split(separator: "DATA {").last?.split(separator: "}").first ?? ""
      #expect(data.filter { !$0.isNewline }.trimmed == value, "\(attribute)")
    }
    #expect(try run("h5dump", "-d", "/metadata/a%2Fb", "a.h5").contains("(0): \"two\""))
    #expect(try run("h5dump", "-A", "a.h5").contains("ATTRIBUTE \"l/0\""))
  }

  @Test("h5ls and h5dump show norm windows alone", areThere)
  func windows() throws {
    try folder.write(
      text: #"{"b.x": {"input": [3, 0.1], "projection": [1e300]}, "a/b": {"projection": [5]}}"#,
      to: "w.json")
    try folder.tool("convert", "w.json", "w.h5")
    #expect(
      try listing("w.h5") == [
        "/ Group", "/blocks Group", "/blocks/a%2Fb Group", "/blocks/a%2Fb/windows Group",
        "/blocks/a%2Fb/windows/projection Dataset {1}", "/blocks/b.x Group",
        "/blocks/b.x/windows Group", "/blocks/b.x/windows/input Dataset {2}",
        "/blocks/b.x/windows/projection Dataset {1}",
      ])
    #expect(try numbers("/blocks/b.x/windows/input", "w.h5") == [3, 0.1])
    #expect(try numbers("/blocks/b.x/windows/projection", "w.h5") == [1e300])
    #expect(try run("h5dump", "-a", "/format", "w.h5").contains("\"reslora-windows\""))
  }

  @Test("h5ls and h5dump show activations", areThere)
  func activations() throws {
    try folder.write(
      tensors: [TestTensor("x", [2, 3], dtype: .f16), TestTensor("y", [2, 1], dtype: .f64)],
      metadata: [("inputs", #"{"b":"x","a":"x","c/d":"y"}"#), ("note", "text")],
      to: "a.safetensors")
    try folder.tool("convert", "a.safetensors", "a.h5")
    #expect(
      try listing("a.h5") == [
        "/ Group", "/blocks Group", "/blocks/a Group", "/blocks/b Group", "/blocks/c%2Fd Group",
        "/inputs Group", "/inputs/x Dataset {2, 3}", "/inputs/y Dataset {2, 1}", "/metadata Group",
        "/metadata/note Dataset {SCALAR}",
      ])
    #expect(try numbers("/inputs/x", "a.h5") == [1, 2, 3, 4, 5, 6])
    #expect(try numbers("/inputs/y", "a.h5") == [1, 2])
    #expect(try run("h5dump", "-a", "/format", "a.h5").contains("\"reslora-activations\""))
    #expect(try run("h5dump", "-a", "/blocks/c%2Fd/input", "a.h5").contains("(0): \"y\""))
  }

  @Test("Adapter in HDF5 §1.5: h5py reads BF16 as float32, or its bits", Python.isThere)
  func bf16() throws {
    try writeAdapter()
    let found = try Python.reference(["bf16", "a.h5", "/blocks/%2E/lora_B.0"], in: folder)
    // 0.5 is 0x3f000000 and 1 is 0x3f800000 in binary32.
    #expect(found == ["float32", "16128 16256", "16128 16256"])
  }
}

extension String {
  /// Without the spaces at both ends.
  fileprivate var trimmed: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
