import ByteIO
import FormatTestSupport
import TestSupport
import Testing

/// Entries 1 to 30: safetensors files.
enum SafetensorsEntries {
  static let all = broken + headers + entries + layouts + large + accepted

  private static let name = "x.safetensors"

  /// A file that every command refuses for one reason.
  private static func file(
    _ entry: Int, _ title: String, _ reason: String,
    _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]
  ) -> HostileCase {
    HostileCase(
      entry, title,
      Opening.checkpoint(name).map { .refused($0, "\(name): \(reason)") }
        + [.invalid(name, ["\(name): \(reason)"])]
    ) { try $0.write(bytes(), to: name) }
  }

  /// A header of that text and as many zeros of data.
  private static func header(
    _ entry: Int, _ title: String, _ reason: String, _ text: String, data: Int = 4
  ) -> HostileCase { file(entry, title, reason, TestHeader.file(text, data: data)) }

  /// One entry, of F32 [1] but for what is said.
  private static func one(
    _ entry: Int, _ title: String, _ reason: String, name: String = "x", dtype: String = "F32",
    shape: String = "[1]", offsets: String = "[0,4]"
  ) -> HostileCase {
    header(
      entry, title, "tensor '\(name)': \(reason)",
      "{\(TestHeader.entry(name, dtype: dtype, shape: shape, offsets: offsets))}")
  }

  // MARK: The table

  private static let broken = [
    file(
      1, "an empty file", "too short for a safetensors file (found 0 bytes, expected at least 8)",
      []),
    file(
      2, "seven bytes", "too short for a safetensors file (found 7 bytes, expected at least 8)",
      [8, 0, 0, 0, 0, 0, 0]),
    file(
      3, "a header of 2^64 - 1 bytes",
      "header too large (found 18446744073709551615 bytes, expected at most 100000000)",
      TestHeader.length(.max)),
    file(
      4, "a header over the cap",
      "header too large (found 100000001 bytes, expected at most 100000000)",
      TestHeader.length(100_000_001) + Array("{}".utf8)),
    file(
      5, "a header longer than the file",
      "header reaches beyond the file (found 100000000 bytes, expected at most 2)",
      TestHeader.length(100_000_000) + Array("{}".utf8)),
    file(
      6, "a header that is not UTF-8", "header: not valid UTF-8 (at byte 2)",
      TestHeader.file([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    file(
      8, "a header in UTF-16", "header: expected UTF-8 without a byte-order mark",
      TestHeader.file(Array("{}".utf16).flatMap { [UInt8($0), 0] })),
  ]

  private static let headers = [
    header(7, "a header that is an array", "header is not a JSON object", "[]", data: 0),
    header(7, "a header that is a number", "header is not a JSON object", "1", data: 0),
    header(
      8, "a byte-order mark", "header: expected UTF-8 without a byte-order mark", "\u{feff}{}",
      data: 0),
    header(
      9, "a tensor twice", "tensor 'x': header has the key 'x' twice",
      "{\(TestHeader.entry()),\(TestHeader.entry(offsets: "[4,8]"))}", data: 8),
    header(
      10, "a key twice inside an entry", "tensor 'x': header has the key 'dtype' twice",
      #"{\#(TestHeader.entry().dropLast()),"dtype":"F32"}}"#),
    header(
      12, "a tensor twice through an escape", "tensor 'j': header has the key 'j' twice",
      #"{\#(TestHeader.entry("j")),\#(TestHeader.entry(#"\u006a"#, offsets: "[4,8]"))}"#, data: 8),
    header(
      25, "metadata that is no string",
      "bad 'epoch' in the header (expected a string in the metadata)",
      #"{"__metadata__":{"epoch":3},\#(TestHeader.entry())}"#),
    header(
      26, "nesting 10^5 deep in a value that nobody reads",
      "tensor 'x': header: JSON nests too deeply (expected at most 16 levels)",
      #"{"x":{"more":"# + String(repeating: "[", count: 100_000)),
  ]

  private static let entries = [
    one(
      13, "offsets reversed", "data ends before it begins (found begin 4, end 0)", offsets: "[4,0]"),
    one(
      18, "a shape whose product overflows",
      "size overflows 64 bits (found shape [4294967296, 4294967296])",
      shape: "[4294967296,4294967296]"),
    one(
      19, "a shape that overflows times the dtype",
      "size overflows 64 bits (found shape [2305843009213693952])", dtype: "F64",
      shape: "[2305843009213693952]"),
    one(
      20, "a size that is not that of the offsets",
      "data size does not fit dtype and shape (found 4 bytes, expected 8)", shape: "[2]"),
    one(
      21, "a negative number",
      "bad 'shape' in the header (expected an array of whole numbers from 0 on)", shape: "[-1]"),
    one(
      21, "a fraction", "bad 'shape' in the header (expected an array of whole numbers from 0 on)",
      shape: "[1.0]"),
    one(
      21, "an exponent",
      "bad 'data_offsets' in the header (expected an array of whole numbers from 0 on)",
      offsets: "[0,4e0]"),
    one(22, "an unknown dtype", "unknown dtype (found 'F31')", dtype: "F31"),
    one(
      22, "an unknown dtype that would steer a terminal", #"unknown dtype (found '\u{1b}[2J')"#,
      dtype: #"\u001b[2J"#),
    one(
      23, "half bytes of an odd count", "F4 elements do not fill whole bytes (found 7 elements)",
      dtype: "F4", shape: "[7]"),
    one(
      24, "nine dimensions", "too many dimensions (found 9, expected at most 8)",
      shape: "[1,1,1,1,1,1,1,1,1]"),
  ]

  private static func tensors(_ ranges: [(Int, Int)]) -> String {
    let entries = ranges.enumerated().map { position, range in
      TestHeader.entry(
        "t\(position)", dtype: "U8", shape: "[\(range.1 - range.0)]",
        offsets: "[\(range.0),\(range.1)]")
    }
    return "{\(entries.joined(separator: ","))}"
  }

  private static let layouts = [
    header(
      14, "overlapping data",
      "tensor 't1': data overlaps another tensor's (found begin 3, expected 4)",
      tensors([(0, 4), (3, 8)]), data: 8),
    header(
      15, "a hole between tensors",
      "tensor 't1': unused bytes before the data (found begin 6, expected 4)",
      tensors([(0, 4), (6, 8)]), data: 8),
    header(
      16, "bytes after the last tensor",
      "file has the wrong size for its tensors (found 5 data bytes, expected 4)",
      tensors([(0, 4)]), data: 5),
    header(
      17, "one byte short",
      "file has the wrong size for its tensors (found 7 data bytes, expected 8)",
      tensors([(0, 4), (4, 8)]), data: 7),
  ]

  // MARK: Large

  private static let large = [
    HostileCase(
      27, "more tensors than anyone has, under the cap",
      [
        HostileRun.refused(
          ["inspect", name],
          "\(name): tensor 'lfls': too many tensors (expected at most 1000000); "
            + "--max-tensors accepts more"
        ).within(memory: 1 << 30)
      ]
    ) { try FileSystem.write(manyTensors(), to: $0.file(name)) }
  ]

  /// The shortest entries there are, 1,600,000 of them in 88 MB, with the names 0000 to yajj.
  private static func manyTensors() -> [UInt8] {
    let count = 1_600_000
    let entry = Array(#""0000":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#.utf8)
    var header = entry
    while header.count < count * entry.count { header += header }
    header.removeLast(header.count - count * entry.count)
    let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
    header.withUnsafeMutableBufferPointer { header in
      for number in 0..<count {
        var rest = number
        for place in stride(from: 4, to: 0, by: -1) {
          header[number * entry.count + place] = digits[rest % 36]
          rest /= 36
        }
      }
    }
    header[header.count - 1] = UInt8(ascii: "}")
    return TestHeader.length(UInt64(header.count + 1)) + Array("{".utf8) + header
  }

  // MARK: Accepted

  private static func good(
    _ entry: Int, _ title: String, _ header: String, data: Int,
    tensors: [(name: String, shape: [Int])]
  ) -> HostileCase {
    HostileCase(
      entry, title,
      [
        .accepted(["inspect", "--json", name]) { outcome in
          let found = try (outcome.json()["tensors"]?.array ?? []).compactMap(\.object)
          #expect(found.count == tensors.count)
          for (found, expected) in zip(found, tensors) {
            // By bytes: some are canonically equivalent.
            #expect(found["name"]?.string.map { Array($0.utf8) } == Array(expected.name.utf8))
            #expect(found["shape"]?.array?.map { $0.number?.integer } == expected.shape)
          }
        },
        .accepted(["inspect", "--stats", name]) { outcome in
          #expect(!outcome.output.utf8.contains { $0 < 0x20 && $0 != 0x0a || $0 == 0x7f })
        },
        .accepted(["validate", name]) { #expect($0.output == "\(name): safetensors: valid\n") },
        .accepted(["convert", name, "out.safetensors"], creates: ["out.safetensors"]),
        .accepted(["diff", name, "out.safetensors"]),
      ]
    ) { try $0.write(TestHeader.file(header, data: data), to: name) }
  }

  private static let accepted = [
    good(
      11, "names composed and decomposed are two",
      "{\(TestHeader.entry("\u{e9}")),\(TestHeader.entry("e\u{301}", offsets: "[4,8]"))}", data: 8,
      tensors: [("\u{e9}", [1]), ("e\u{301}", [1])]),
    good(
      28, "names that are no file names",
      "{"
        + ["", #"\u0000"#, #"\u001b[2J"#, "../x", "/etc/passwd"].enumerated().map {
          TestHeader.entry($1, offsets: "[\(4 * $0),\(4 * $0 + 4)]")
        }.joined(separator: ",") + "}", data: 20,
      tensors: [("", [1]), ("\0", [1]), ("\u{1b}[2J", [1]), ("../x", [1]), ("/etc/passwd", [1])]),
    good(
      29, "no elements, and no dimensions",
      "{\(TestHeader.entry("scalar", shape: "[]")),"
        + "\(TestHeader.entry("zero", shape: "[3,0]", offsets: "[4,4]"))}", data: 4,
      tensors: [("scalar", []), ("zero", [3, 0])]),
    good(
      30, "white space before the header", " \n\t{\(TestHeader.entry())}", data: 4,
      tensors: [("x", [1])]),
  ]
}
