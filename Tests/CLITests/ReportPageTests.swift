import ByteIO
import Foundation
import TestSupport
import Testing

/// `--html`: when a page is written, and when it is refused.
@Suite struct ReportPageTests {
  private let merge = ["merge", "adapter", "--method", "none", "-o", "merged"]
  private let fold = ["fold", "adapter", "--into", "base.safetensors", "-o", "out.safetensors"]

  /// The JSON that a page carries.
  private func embedded(_ path: String) throws -> JSONObject {
    let html = try String(contentsOfFile: path, encoding: .utf8)
    let start = try #require(html.range(of: "id=\"report\">")).upperBound
    let end = try #require(html.range(of: "</script>")).lowerBound
    return try #require(try JSONValue(parsing: Array(html[start..<end].utf8)).object)
  }

  @Test("the page carries the JSON that the run prints, its own path included")
  func written() throws {
    let folder = try basic()
    for (arguments, page) in [(merge, "merge.html"), (fold, "fold page.html")] {
      let outcome = try succeed(arguments + ["--html", page, "--json"], in: folder)
      let json = try outcome.json()
      #expect(json["html"]?.string == page)
      #expect(try embedded(folder.file(page)) == json)
    }
    let html = try String(contentsOfFile: folder.file("fold page.html"), encoding: .utf8)
    #expect(
      html.contains("resloratool fold adapter --into base.safetensors -o out.safetensors --html"))
    #expect(html.contains("&#39;fold page.html&#39; --json"))
  }

  @Test("the text names the page, a dry run writes none")
  func dryRun() throws {
    let folder = try basic()
    let entries = folder.entries
    for arguments in [merge, fold] {
      let outcome = try succeed(arguments + ["--html", "page.html", "--dry-run"], in: folder)
      #expect(outcome.output.hasSuffix("would write the page page.html\n"))
    }
    #expect(folder.entries == entries)
    let outcome = try succeed(merge + ["--html", "page.html"], in: folder)
    #expect(outcome.output.hasSuffix("wrote the page page.html\n"))
  }

  @Test("a page that exists is replaced with --force only")
  func force() throws {
    let folder = try basic()
    try folder.write("mine".utf8, to: "page.html")
    for arguments in [merge, fold] {
      let page = ["--html", "page.html"]
      #expect(try Tool.run(arguments + page, in: folder.path).status == 2)
      #expect(!folder.entries.contains(arguments[arguments.count - 1]))
      try succeed(arguments + page + ["--force"], in: folder)
      try folder.write("mine".utf8, to: "page.html")
    }
  }

  @Test(
    "no input, no output, nothing inside of it and no missing folder",
    arguments: [
      "base.safetensors", "adapter/reslora_config.json", "out.safetensors", "missing/page.html", "",
      "adapter",
    ])
  func refused(_ page: String) throws {
    let folder = try basic()
    let before = folder.entries
    for arguments in [fold, merge + ["--base", "base.safetensors", "-o", "out.safetensors"]] {
      let outcome = try Tool.run(arguments + ["--html", page, "--force"], in: folder.path)
      #expect(outcome.status != 0 && !outcome.isSignal)
      #expect(outcome.error.hasPrefix("error: "))
      #expect(folder.entries == before)
    }
    try succeed(merge, in: folder)
    let inside = try Tool.run(
      merge + ["--force", "--html", "merged/page.html"], in: folder.path)
    #expect(inside.status == 2)
  }

  @Test("a page is about a fold: not about a plan, a task or what is taken back")
  func foldsOnly() throws {
    let folder = try basic()
    let page = ["--html", "page.html"]
    let refused = [
      fold + ["--plan-out", "fold.plan"], ["plan", "run", "fold.plan", "--task", "0"],
      ["fold", "--undo-from", "x.undo", "--into", "base.safetensors", "-o", "back.safetensors"],
    ]
    for arguments in refused {
      let outcome = try Tool.run(arguments + page, in: folder.path)
      #expect(outcome.status == 2)
      #expect(outcome.error.contains("--html"))
    }
    let plan = try succeed(fold + ["--plan-out", "fold.plan", "--json"], in: folder).json()
    for task in 0..<((plan.integer("tasks") ?? 0) - 1) {
      try succeed(["plan", "run", "fold.plan", "--task", "\(task)"], in: folder)
    }
    let outcome = try succeed(
      ["plan", "run", "fold.plan", "--stage", "finish", "--json"] + page, in: folder)
    #expect(try embedded(folder.file("page.html")) == outcome.json())
  }

  @Test("a fold in place writes its page too")
  func inPlace() throws {
    let folder = try basic()
    let outcome = try succeed(
      [
        "fold", "adapter", "--into", "base.safetensors", "--in-place", "--undo", "fold.undo",
        "--html", "page.html", "--json",
      ], in: folder)
    #expect(try embedded(folder.file("page.html")) == outcome.json())
  }
}
