import TestSupport
import Testing

/// Activations between this package and the Python package (Activations §2, §3).
@Suite(Python.isThere) struct ActivationsExchangeTests {
  private let folder = TemporaryFolder()

  @Test(
    "Python reads the same from what we write", arguments: ["F16", "BF16", "F32", "F64", "mixed"])
  func exchange(_ dtype: String) throws {
    let formats = ["safetensors", "h5"]
    let options = ["--kind", "activations", "--dtype", dtype, "--non-ascii-names"]
    try Python.batch(
      formats.map { ["make-sample", "a.\($0)"] + options }, in: folder)
    var names = formats.map { "a.\($0)" }
    for from in formats {
      for to in formats {
        try folder.tool("convert", "a.\(from)", "\(from).\(to)")
        names.append("\(from).\(to)")
      }
    }
    try folder.expectValid(names)
    let dumps = try Python.dump(names, in: folder)
    #expect(dumps.count == 6 && Set(dumps).count == 1)
    #expect(try folder.bytes("h5.safetensors") == folder.bytes("a.safetensors"))
    #expect(try folder.bytes("safetensors.safetensors") == folder.bytes("a.safetensors"))
    #expect(try folder.bytes("safetensors.h5") == folder.bytes("h5.h5"))
  }
}
