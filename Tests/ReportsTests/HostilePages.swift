import Adapters
import ByteIO
import Reports
import Tensors

/// Pages about adapters whose makers meant no good, or thought of nothing.
enum HostilePages {
  /// Names that try to leave the place they are put in, or that break what sorts and draws them.
  static let names: [String] = [
    "</script><script>document.title='taken'</script>", "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)", "<!--", "-->", "]]>", "a&amp;b", "&lt;b&gt;",
    "\u{0}\u{1}\u{8}\u{7f}",
    "line\nbreak\r\ttab", "\u{202e}txet desrever", "\u{2028}\u{2029}", "javascript:alert(1)",
    "{{x}}${x}", "caf\u{e9}", "cafe\u{301}", "層.0.注意", "🦙.1.🦙", "7", "", " ", ".", "..", "*", "*.0",
    "a.0.b", "a.00.b", "a.1.b", "a.999999.b", "a.9999999.b", "a.1.b.2", "--help", "C:\\x",
    String(repeating: "long", count: 75), String(repeating: "o.", count: 150),
    String(repeating: "7.", count: 150),
  ]

  /// Numbers that no axis should stumble over.
  static let numbers: [Double] = [
    .nan, .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, .leastNormalMagnitude / 1000,
    1e308, -1e308, 1, -1, 1e-9, 123_456_789,
    0.1 + 0.2, 1e21,
  ]

  /// A merge of the names, or of as many as are asked for; the numbers in turn.
  static func merge(
    names: [String] = names, numbers: [Double] = numbers, linked: Bool = true
  ) throws -> (page: MergeReportPage, sample: SamplePages.Sample) {
    func number(_ position: Int) -> Double { numbers[position % numbers.count] }
    let topology = try Topology(
      structure: .middleShortcut, root: .ownInput, reach: .all,
      names: names.map { TensorName($0) },
      // Every third is a root, the next follow it, one straight and one as a branch.
      previous: names.indices.map { position in
        position % 3 == 0 || !linked ? nil : TensorName(names[position - position % 3])
      })
    let adapter = ReportedAdapter(
      label: "<b>bold</b>", format: "\"format\"", topology: topology,
      blocks: names.enumerated().map { position, name in
        ReportedAdapter.Block(
          name: name, rank: 1, inFeatures: 1, outFeatures: 1,
          windows: NormWindows(
            input: NormWindow((0..<(position % 5)).map { number(position + $0) }),
            projection: NormWindow([number(position)])))
      }, notes: ["<i>note</i>"])
    let page = MergeReportPage(
      adapter: adapter, method: "<method>", reason: "& reason", output: "out'put", byteCount: 0,
      blocks: names.enumerated().map { position, name in
        MergeReportPage.Block(
          name: name, alpha: (0..<(position % 8)).map { number(position + $0) }, rank: position,
          deltaNorm: number(position), norm: number(position + 1),
          foldedNorm: position % 2 == 0 ? nil : number(position + 2),
          cut: ReportedCut(error: number(position + 3), plainError: number(position + 4)),
          fit: ReportedFit(
            taken: "<b>taken</b>", prior: "<i>prior</i>", penalty: number(position + 5),
            expectedError: number(position + 6), condition: number(position)))
      }, warnings: ["<u>warning</u> " + String(repeating: "w", count: 400)])
    let json = JSONValue.members([
      "warning": .string("</script><!--<script>"),
      "blocks": .array(
        page.blocks.map { block in
          .members([
            "name": .string(block.name), "alpha": .array(block.alpha.map(JSONValue.double)),
            "delta_norm": .double(block.deltaNorm),
            "norm": block.norm.map(JSONValue.double),
            "folded_norm": block.foldedNorm.map(JSONValue.double),
            "truncation_error": (block.cut?.error).map(JSONValue.double),
            "svd_truncation_error": (block.cut?.plainError).map(JSONValue.double),
            "fit": .members([
              "c": (block.fit?.penalty).map(JSONValue.double),
              "cross_validated_error": (block.fit?.expectedError).map(JSONValue.double),
              "condition": (block.fit?.condition).map(JSONValue.double),
            ]),
          ])
        }),
    ])
    let html = page.html(
      ReportSource(program: "<program>", command: "rm '</code>' \"&\"", json: json))
    return (page, SamplePages.Sample(name: "hostile", html: html, json: json))
  }

  /// A forest of many blocks without any layers in their names.
  static func crowd(_ count: Int) throws -> SamplePages.Sample {
    let names = (0..<count).map { "block-of-a-model-named-by-hand.\(String($0, radix: 26))x" }
    let merged = try merge(names: names, numbers: (1...97).map { Double($0) / 10 }).sample
    return SamplePages.Sample(name: "crowd", html: merged.html, json: merged.json)
  }
}
