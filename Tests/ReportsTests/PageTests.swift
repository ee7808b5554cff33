import ByteIO
import Foundation
import Reports
import Testing

/// Whole pages.
@Suite struct PageTests {
  /// What is seen of a page, without the style sheet and the JSON.
  private func body(_ html: String) -> Substring {
    let start = html.range(of: "<body>")?.lowerBound ?? html.startIndex
    return html[start..<(html.range(of: "<script")?.lowerBound ?? html.endIndex)]
  }

  private func json(in html: String) throws -> JSONValue {
    let start = try #require(html.range(of: "id=\"report\">")).upperBound
    let end = try #require(html.range(of: "</script>")).lowerBound
    return try JSONValue(parsing: Array(html[start..<end].utf8))
  }

  @Test("a replay's page carries every figure of every method")
  func verify() throws {
    let (page, sample) = try SamplePages.verify()
    for (run, method) in page.methods.enumerated() {
      for block in method.blocks {
        #expect(
          sample.html.contains(
            "data-block=\"\(block.name)\" data-key=\"delta_error\" data-run=\"\(run)\" "
              + "data-value=\"\(JSONValue.double(block.deltaError).serialized())\""))
      }
    }
    #expect(sample.html.contains("calibration tokens, logarithmic"))
    #expect(sample.html.contains("oracle"))
    #expect(Drawn(sample.html).strays.isEmpty)
    #expect(try json(in: sample.html) == sample.json)
  }

  @Test("one method needs no comparison")
  func single() throws {
    var page = try SamplePages.verify().page
    page.methods = [page.methods[1]]
    let html = page.html(ReportSource())
    #expect(html.contains("What merging by bw costs"))
    #expect(!html.contains("id=\"methods\"") && !html.contains("id=\"calibration\""))
    #expect(!html.contains("id=\"reproduce\"") && !html.contains("id=\"report\""))
  }

  @Test("methods may have measured other blocks, or none")
  func gaps() throws {
    var page = try SamplePages.verify().page
    page.methods[0].blocks.removeAll()
    page.methods[1].blocks.removeFirst(5)
    page.methods[2].meanDeltaError = .nan
    page.adapter.blocks.removeAll()
    page.adapter.topology = nil
    #expect(Drawn(page.html(ReportSource())).strays.isEmpty)
  }

  @Test("names of strangers stay text")
  func hostile() throws {
    let (_, sample) = try HostilePages.merge()
    let html = sample.html
    #expect(html.matches(of: #/<script/#).count == 1)
    #expect(html.matches(of: #/</script/#).count == 1)
    for tag in ["<img", "<b>", "<i>", "<u>", "<!--", "<method>", "<program>"] {
      #expect(!html.contains(tag), "\(tag)")
    }
    #expect(!html.unicodeScalars.contains { $0.value == 0x202e || $0.value == 0 })
    #expect(try json(in: html) == sample.json)
    #expect(Drawn(html).strays.isEmpty)
  }

  @Test("NaN and infinities are never shown as numbers")
  func notFinite() throws {
    let html = try HostilePages.merge().sample.html
    for value in html.matches(of: #/data-value="([^"]*)"/#) {
      #expect(try #require(Double(String(value.output.1))).isFinite)
    }
    let text = body(html).replacing(#/<[^>]*>/#, with: " ")
    #expect(text.firstMatch(of: #/\b(nan|inf|infinity)\b/#.ignoresCase()) == nil)
    #expect(text.contains("no value"))
  }

  @Test("a fold's page shows what rounding lost")
  func fold() throws {
    let page = FoldReportPage(
      adapters: [
        .init(label: "a", kind: "PEFT, LoRA"), .init(label: "b", kind: "PEFT, DoRA", weight: 0.5),
      ],
      base: "model/", output: "out", files: ["one", "two"],
      weights: (0..<3).map {
        .init(
          name: "layer.\($0).q", weight: "layer.\($0).q.weight", deltaNorm: Double($0),
          unchangedShare: 0.2 * Double($0), realisedError: .nan)
      }, changedCount: 3, copiedCount: 4, byteCount: 1000, seconds: 0.5, warnings: ["lost"])
    let html = page.html(ReportSource(command: "resloratool fold a"))
    #expect(
      html.contains(
        "data-block=\"layer.2.q.weight\" data-key=\"unchanged_share\" data-value=\"0.4\""))
    #expect(html.contains("Folded into model"))
    #expect(html.contains("id=\"adapters\"") && html.contains("id=\"files\""))
    #expect(Drawn(html).strays.isEmpty)
    var empty = page
    empty.weights = []
    empty.adapters = []
    #expect(Drawn(empty.html(ReportSource())).strays.isEmpty)
  }

  @Test("five thousand blocks fit a page")
  func crowd() throws {
    let sample = try HostilePages.crowd(5000)
    #expect(sample.html.utf8.count < 24 << 20)
    #expect(sample.html.components(separatedBy: " data-row=\"").count == 5001)
    #expect(Drawn(try HostilePages.crowd(300).html).strays.isEmpty)
  }

  @Test("the page asks for nothing from anywhere")
  func selfContained() throws {
    let html = try SamplePages.verify().sample.html
    #expect(html.contains("Content-Security-Policy"))
    #expect(html.contains("default-src &#39;none&#39;"))
    #expect(!html.contains("http://") && !html.contains("https://") && !html.contains("url("))
    #expect(!html.contains(" onload=") && !html.contains("src="))
  }

  /// `Tests/Browser/run.py --samples` opens them.
  @Test(
    "sample pages for the browser test",
    .enabled(if: ProcessInfo.processInfo.environment["REPORT_SAMPLES"] != nil))
  func samples() throws {
    let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["REPORT_SAMPLES"] ?? ".")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var large = try SamplePages.verify(layers: 80).sample
    large.name = "verify-large"
    let samples = [
      try SamplePages.verify().sample, large, try HostilePages.merge().sample,
      try HostilePages.crowd(600),
    ]
    for sample in samples {
      let file = folder.appendingPathComponent(sample.name)
      try Data(sample.html.utf8).write(to: file.appendingPathExtension("html"))
      try Data(sample.json.serialized().utf8).write(to: file.appendingPathExtension("json"))
    }
  }
}
