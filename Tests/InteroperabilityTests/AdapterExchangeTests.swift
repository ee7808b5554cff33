import Adapters
import ResLoRAContainer
import TestSupport
import Testing

/// Adapters between this package and the Python package, which was written from the Spec alone.
@Suite(Python.isThere) struct AdapterExchangeTests {
  private let folder = TemporaryFolder()

  @Test(
    "what Python writes converts to every format, and Python reads the same from each",
    arguments: ["plain", "is", "bs", "ms"])
  func exchange(_ structure: String) throws {
    let samples = Sample.all(structure)
    try Python.batch(samples.flatMap(\.commands), in: folder)
    var written: [(name: String, sample: Int)] = []
    for (number, sample) in samples.enumerated() {
      // Every original is read and every format written; over the samples, each from each.
      for (position, original) in sample.originals.enumerated() {
        let format = ["safetensors", "h5", "reslora"][(number + position) % 3]
        let name = "\(original).\(format)"
        try convert(
          original, name, format == "reslora" ? "none" : nil, starting: number == 0)
        written.append((name, number))
        // Spec: canonical text, one order of tensors, one layout. HDF5 files differ by library.
        if format != "h5" {
          #expect(try folder.bytes(name) == folder.bytes("\(sample.name).\(format)"), "\(name)")
        }
      }
      let compressed = "\(sample.name).d.reslora"
      try convert(sample.originals[0], compressed, sample.compression, starting: number == 0)
      written.append((compressed, number))
    }
    let originals = samples.flatMap(\.originals)
    try folder.expectValid(originals + written.map(\.name))
    let expected = try Python.dump(originals, in: folder)
    for (number, line) in expected.enumerated() {
      #expect(line == expected[number / 4 * 4], "\(originals[number])")
    }
    let found = try Python.dump(written.map(\.name), in: folder)
    for (file, line) in zip(written, found) {
      #expect(line == expected[4 * file.sample], "\(file.name)")
    }
    #expect(found.count == written.count)
  }

  /// What the command does, in this process unless it is to be started: starts take most of its time.
  private func convert(
    _ source: String, _ target: String, _ compression: String?, starting: Bool
  ) throws {
    guard !starting else {
      try folder.tool(
        ["convert", source, target] + (compression.map { ["--compression", $0] } ?? []))
      return
    }
    let ending = try #require(target.split(separator: ".").last)
    let format = try #require(AdapterOutputFormat(fileExtension: String(ending)))
    var options = WriteOptions()
    options.compression =
      try compression.map { try #require(ContainerCompression(rawValue: $0)) }
      ?? .automatic
    try Adapter(path: folder.file(source)).write(
      to: folder.file(target), as: format, options: options)
  }
}
