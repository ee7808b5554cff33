import TestSupport
import Testing

/// Adapter §1.1: conversions change nothing, whatever their number and order.
@Suite struct ConversionCycleTests {
  private static let formats = ["safetensors", "h5", "reslora"]

  private let folder = TemporaryFolder()

  @Test(
    "every sequence of conversions ends in the bytes of the direct one",
    arguments: AwkwardAdapter.all)
  func adapters(_ adapter: AwkwardAdapter) throws {
    try adapter.write(to: "original.safetensors", in: folder)
    for format in Self.formats {
      try folder.tool("convert", "original.safetensors", "direct.\(format)")
    }
    // The original is canonical, so its own format gives it back.
    #expect(try folder.bytes("direct.safetensors") == folder.bytes("original.safetensors"))
    try expectCycles(Self.formats)
    try folder.expectValid(Self.formats.map { "direct.\($0)" })
  }

  @Test("activations too")
  func activations() throws {
    try AwkwardActivations.write(to: "original.safetensors", in: folder)
    for format in ["safetensors", "h5"] {
      try folder.tool("convert", "original.safetensors", "direct.\(format)")
    }
    #expect(try folder.bytes("direct.safetensors") == folder.bytes("original.safetensors"))
    try expectCycles(["safetensors", "h5"])
    try folder.expectValid(["direct.safetensors", "direct.h5"])
  }

  /// Runs the conversion of each format to each, first of the direct files, then of what that gave,
  /// and so on. As all give the bytes of the direct files, so does every sequence of them.
  private func expectCycles(_ formats: [String], rounds: Int = 2) throws {
    var current = Dictionary(uniqueKeysWithValues: formats.map { ($0, "direct.\($0)") })
    for round in 1...rounds {
      var next: [String: String] = [:]
      for (from, to) in formats.flatMap({ from in formats.map { (from, $0) } }) {
        let source = try #require(current[from])
        let name = "\(round)-\(from).\(to)"
        try folder.tool("convert", source, name)
        #expect(try folder.bytes(name) == folder.bytes("direct.\(to)"), "\(source) to \(to)")
        // Another route each round.
        if from != to || next[to] == nil { next[to] = name }
      }
      current = next
    }
  }

  @Test(
    "the number of threads changes no byte",
    arguments: ["safetensors", "h5", "auto.reslora", "zlib.reslora", "zstd.reslora"])
  func threads(_ ending: String) throws {
    try AwkwardAdapter.writeLarge(to: "original.safetensors", in: folder)
    let compression = ending.split(separator: ".").first.map(String.init) ?? ""
    let options = ["zlib", "zstd"].contains(compression) ? ["--compression", compression] : []
    var outputs: Set<[UInt8]> = []
    for threads in ["1", "2", "4"] {
      let name = "\(threads).\(ending)"
      try folder.tool(["convert", "original.safetensors", name, "--threads", threads] + options)
      outputs.insert(try folder.bytes(name))
    }
    #expect(outputs.count == 1)
  }
}
