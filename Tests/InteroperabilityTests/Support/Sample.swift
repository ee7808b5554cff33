/// An adapter that `make-sample` of the Python package makes.
struct Sample {
  /// Of all structures, dtypes and numbers of pairs, each with other content beside them.
  static func all(_ structure: String) -> [Sample] {
    let cells = ["F32", "F16", "BF16", "F64", "mixed"].flatMap { dtype in
      [1, 3].map { (dtype, $0) }
    }
    let offset = ["plain": 0, "is": 3, "bs": 6, "ms": 9][structure] ?? 0
    return cells.enumerated().map { number, cell in
      // Over the four structures, each of the sixteen combinations of options occurs.
      let options = ["--windows", "--base", "--metadata", "--non-ascii-names"].enumerated()
        .filter { (15 - (number * 7 + offset) % 16) >> $0.offset & 1 == 1 }.map(\.element)
      return Sample(
        name: "\(structure)-\(cell.0)-\(cell.1)", compression: compressions[number % 3],
        options: [
          "--structure", structure, "--dtype", cell.0, "--pairs", "\(cell.1)", "--seed",
          "\(number)",
        ] + options)
    }
  }

  private static let compressions: [String?] = ["zlib", "zstd", nil]

  let name: String
  /// What one of its containers is compressed with; none for what each package does of itself.
  let compression: String?
  let options: [String]

  /// The files that Python writes: one of each format, and a compressed container.
  var originals: [String] {
    ["safetensors", "h5", "reslora", "c.reslora"].map { "\(name).\($0)" }
  }

  /// The option for the compressed container, of either command line.
  var compressing: [String] { compression.map { ["--compression", $0] } ?? [] }

  /// The commands that make them.
  var commands: [[String]] {
    originals.map {
      ["make-sample", $0] + ($0.hasSuffix("c.reslora") ? compressing : ["--compression", "none"])
        + options
    }
  }
}
