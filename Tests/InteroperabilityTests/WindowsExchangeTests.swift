import ByteIO
import TestSupport
import Testing

/// Norm windows in files of their own (Merging §3.5, Adapter in HDF5 §3).
@Suite struct WindowsExchangeTests {
  private let folder = TemporaryFolder()

  @Test(
    "Python reads the same windows from what we write", Python.isThere, arguments: ["json", "h5"])
  func exchange(_ format: String) throws {
    let original = "w.\(format)"
    try Python.batch(
      [["make-sample", original, "--kind", "windows", "--non-ascii-names", "--seed", "5"]],
      in: folder)
    try folder.tool("convert", original, "x.json")
    try folder.tool("convert", original, "x.h5")
    try folder.expectValid([original, "x.json", "x.h5"])
    let dumps = try Python.dump([original, "x.json", "x.h5"], in: folder)
    #expect(Set(dumps).count == 1)
    #expect(dumps.first?.contains("größe") == true)
  }

  @Test("windows of a file beside an adapter are those that Python puts into it", Python.isThere)
  func beside() throws {
    let options = ["--structure", "ms", "--seed", "5", "--non-ascii-names"]
    try Python.batch(
      [
        ["make-sample", "a.safetensors"] + options,
        ["make-sample", "b.safetensors", "--windows"] + options,
        ["make-sample", "w.json", "--kind", "windows", "--seed", "5", "--non-ascii-names"],
      ], in: folder)
    try folder.tool("convert", "w.json", "w.h5")
    for windows in ["w.json", "w.h5"] {
      try folder.tool("convert", "a.safetensors", "\(windows).reslora", "--windows", windows)
    }
    #expect(try folder.bytes("w.json.reslora") == folder.bytes("w.h5.reslora"))
    let lines = try Python.dump(["w.h5.reslora", "b.safetensors"], in: folder)
    #expect(lines[0] == lines[1])
  }

  @Test("JSON to HDF5 and back, in any order, ends in the same bytes")
  func cycles() throws {
    let text = """
      {"z": {"input": [0.1, 1e300, 5e-324, 0, -0, 1]}, "a/b": {"projection": [2]}, "none": {},
       "%2E": {"input": [], "projection": [1.5]}, ".": {"input": [3], "projection": [4]},
       "é": {"input": [1]}, "e\u{301}": {"input": [2]}}
      """
    try folder.write(text.utf8, to: "w.json")
    try folder.tool("convert", "w.json", "json-0.json")
    try folder.tool("convert", "w.json", "h5-0.h5")
    for length in 1...3 {
      for format in ["json", "h5"] {
        for from in ["json", "h5"] {
          let name = "\(format)-\(length)-\(from).\(format)"
          let source = length == 1 ? "\(from)-0.\(from)" : "\(from)-\(length - 1)-\(format).\(from)"
          try folder.tool("convert", source, name)
          #expect(try folder.bytes(name) == folder.bytes("\(format)-0.\(format)"), "\(name)")
        }
      }
    }
  }

  @Test("100 norms need no capacity, 101 do")
  func capacity() throws {
    func text(_ capacity: String) -> String {
      let list = [String](repeating: "1", count: 101).joined(separator: ",")
      return #"{"x": {"input": [\#(list)]\#(capacity)}}"#
    }
    try folder.write(text("").utf8, to: "long.json")
    for output in ["x.json", "x.h5"] {
      let outcome = try Tool.run(["convert", "long.json", output], in: folder.path)
      #expect(outcome.status == 3)
      #expect(
        outcome.error
          == "error: long.json: block 'x': input window too long (found 101, expected at most 100)\n"
      )
    }
    try folder.write(text(#", "capacity": 101"#).utf8, to: "long.json")
    try folder.tool("convert", "long.json", "x.json")
    try folder.tool("convert", "long.json", "x.h5")
    try folder.tool("convert", "x.h5", "y.json")
    #expect(try folder.bytes("x.json") == folder.bytes("y.json"))
  }

  @Test("windows of other capacities, from Python", Python.isThere)
  func capacities() throws {
    let script = """
      from reslora_formats import NormWindows, write_windows
      write_windows({'a': NormWindows([1.0] * 150, [], 200), 'b': NormWindows([2.0], [], 7)}, 'w.h5')
      """
    _ = try Python.script(script, in: folder)
    try folder.tool("convert", "w.h5", "x.h5")
    try folder.tool("convert", "x.h5", "x.json")
    try folder.tool("convert", "x.json", "y.h5")
    #expect(try folder.bytes("x.h5") == folder.bytes("y.h5"))
    let read = """
      from reslora_formats import read_windows
      for path in ['x.h5', 'x.json']:
          for name, windows in read_windows(path).items():
              print(name, len(windows.input), windows.capacity)
      """
    #expect(
      try Python.script(read, in: folder) == ["a 150 200", "b 1 7", "a 150 200", "b 1 7"])
  }
}
