import ByteIO
import Foundation
import TestSupport
import Testing

/// `verify`: whole runs. The numbers themselves are held against the oracle in ReplayingTests.
@Suite struct VerifyTests {
  private func verify(
    _ arguments: [String], in folder: TemporaryFolder,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> JSONObject {
    try succeed(
      ["verify", "adapter"] + heldOut + arguments + ["--json"], in: folder,
      sourceLocation: sourceLocation
    ).json()
  }

  private static let figures: Set<String> = [
    "delta_error", "output_error", "max_token_error", "cosine", "oracle_alpha",
  ]

  @Test("the keys of Command line §2.10, the first method's at the top")
  func keys() throws {
    let folder = try basic()
    let json = try verify(onBase + ["--method", "bw"], in: folder)
    let methodKeys: Set<String> = [
      "method", "tokens", "mean_delta_error", "mean_output_error", "worst_block", "blocks",
    ]
    let runKeys: Set<String> = [
      "structure", "activations", "methods", "passed", "warnings", "notes",
    ]
    #expect(json.keys == methodKeys.union(runKeys))
    #expect(json["method"]?.string == "bw" && json.integer("tokens") == 24)
    #expect(json["passed"]?.bool == true)
    let methods = json.objects("methods")
    #expect(methods.count == 1 && methods[0].keys == methodKeys)
    for key in methodKeys { #expect(json[key] == methods[0][key]) }
    for block in json.objects("blocks") {
      #expect(block.keys == Self.figures.union(["name", "alpha"]))
      for key in Self.figures { #expect(block.double(key) != nil) }
      #expect(block.doubles("alpha")?.count == 1)
    }
    let errors = json.blocks("delta_error").compactMap { $0 }
    let mean = try #require(json.double("mean_delta_error"))
    #expect(agree(mean, errors.reduce(0, +) / 10, to: 1e-12))
    let worst = try #require(errors.firstIndex(of: errors.max() ?? 0))
    #expect(json["worst_block"] == json.objects("blocks")[worst]["name"])
  }

  @Test("without the base there is no error of the output, and with what is chosen a reason")
  func withoutBase() throws {
    let json = try verify(["--windows", "norm-windows.json"], in: basic())
    #expect(json["method"]?.string == "bi")
    #expect(json["reason"]?.string == "norm windows are at hand and no base")
    #expect(json["mean_output_error"]?.isNull == true)
    #expect(json.blocks("output_error").allSatisfy { $0 == nil })
    let fitted = try verify(calibration, in: basic())
    #expect(fitted["method"]?.string == "calibrated")
    #expect(fitted["reason"]?.string == "captured inputs to fit on are at hand")
  }

  @Test("methods and numbers of tokens beside each other are what each is alone")
  func several() throws {
    let folder = try basic()
    let json = try verify(
      onBase + calibration + ["--calibration-tokens", "16,48"]
        + ["none", "bw", "ls", "calibrated"].flatMap { ["--method", $0] }, in: folder)
    let methods = json.objects("methods")
    #expect(
      methods.map { $0["method"]?.string }
        == ["none", "bw", "ls", "ls", "calibrated", "calibrated"])
    #expect(
      methods.map { $0.integer("calibration_tokens") } == [nil, nil, 16, 48, 16, 48])
    let expected = try #require(
      try TestFiles.json(folder.file("replay.json")).object?["methods"]?.object)
    for (position, name) in [(0, "none"), (1, "bw"), (3, "ls"), (5, "calibrated")] {
      let want = try #require(expected[name]?.object)
      let mean = try #require(want.double("mean_delta_error"))
      #expect(agree(try #require(methods[position].double("mean_delta_error")), mean, to: 1e-9))
    }
    let alone = try verify(
      onBase + calibration + ["--calibration-tokens", "16", "--method", "calibrated"], in: folder)
    #expect(alone["blocks"] == methods[4]["blocks"])
    let fits = methods[4].objects("blocks").compactMap { $0["fit"]?.object }
    #expect(fits.count == 8 && fits.allSatisfy { $0.integer("tokens") == 16 })
  }

  @Test(
    "a merged adapter costs what its method costs",
    arguments: [("is-basic", "bw"), ("is-basic", "calibrated"), ("ms-pre2", "ls")])
  func merged(_ name: String, _ method: String) throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/\(name)"))
    let settings = onBase + ["--method", method] + (method == "bw" ? [] : calibration)
    try succeed(
      ["merge", "adapter", "-o", "merged", "--dtype", "f32"] + settings, in: folder)
    try succeed(
      ["merge", "adapter", "-o", "merged.safetensors", "--dtype", "f32"] + settings, in: folder)
    let expected = try verify(settings, in: folder)
    let found = try verify(
      onBase + ["--merged", "merged", "--merged", "merged.safetensors"], in: folder)
    #expect(
      found.objects("methods").map { $0["method"]?.string } == ["merged", "merged.safetensors"])
    for run in found.objects("methods") {
      for key in Self.figures.subtracting(["max_token_error"]) {
        #expect(agree(run.blocks(key), expected.blocks(key), to: 1e-6), "\(key)")
      }
      #expect(run.objects("blocks").allSatisfy { $0.doubles("alpha")?.isEmpty == true })
    }
    // Beside a method, merged adapters come last.
    let both = try verify(onBase + ["--merged", "merged", "--method", "none"], in: folder)
    #expect(both.objects("methods").map { $0["method"]?.string } == ["none", "merged"])
  }

  @Test("what a fold stored: rounding is small in float32 and counts in bfloat16")
  func folded() throws {
    let folder = try basic()
    for dtype in ["f32", "bf16"] {
      try succeed(
        [
          "fold", "adapter", "--method", "bw", "--into", "base.safetensors", "--dtype", dtype, "-o",
          "\(dtype).safetensors",
        ], in: folder)
    }
    let one = try verify(onBase + ["--method", "bw", "--folded", "f32.safetensors"], in: folder)
    let other = try verify(onBase + ["--method", "bw", "--folded", "bf16.safetensors"], in: folder)
    for (json, range) in [(one, 1e-9...1e-6), (other, 1e-4...0.1)] {
      let stored = json.blocks("stored_error").compactMap { $0 }
      let folded = json.blocks("folded_error").compactMap { $0 }
      #expect(stored.count == 10 && stored.allSatisfy(range.contains), "\(stored)")
      #expect(agree(json.double("mean_stored_error") ?? 0, stored.reduce(0, +) / 10, to: 1e-12))
      #expect(agree(json.double("mean_folded_error") ?? 0, folded.reduce(0, +) / 10, to: 1e-12))
      for ((merge, stored), folded) in zip(zip(json.blocks("delta_error"), stored), folded) {
        let merge = try #require(merge)
        #expect(folded >= merge - stored - 1e-12 && folded <= merge + stored + 1e-12)
      }
    }
  }

  @Test("--max-error: 1 where a block is above it, and which")
  func maxError() throws {
    let folder = try basic()
    let arguments = ["verify", "adapter", "--method", "bw"] + heldOut + onBase
    let failed = try Tool.run(arguments + ["--max-error", "0.38"], in: folder.path)
    #expect(failed.status == 1 && failed.error.isEmpty)
    #expect(
      failed.output.hasSuffix(
        "\nabove 0.380000: model.layers.1.self_attn.v_proj (0.530701, bw), "
          + "model.layers.3.self_attn.v_proj (0.380418, bw)\n"))
    let json = try Tool.run(arguments + ["--max-error", "0.38", "--json"], in: folder.path)
    #expect(json.status == 1)
    #expect(try json.json()["passed"]?.bool == false)
    #expect(try json.json().double("max_error") == 0.38)
    let passed = try succeed(arguments + ["--max-error", "0.531"], in: folder)
    #expect(passed.output.hasSuffix("\nno block is above 0.531000\n"))
    let all = try Tool.run(
      arguments + ["--method", "none", "--max-error", "0.531"], in: folder.path)
    #expect(all.status == 1)
    #expect(all.output.contains("(0.649432, none)") && !all.output.contains(", bw)\n"))
  }

  @Test("activations in HDF5 give the same numbers")
  func hdf5() throws {
    let folder = try basic()
    for name in ["heldout", "calibration"] {
      try succeed(
        ["convert", "activations-\(name).safetensors", "activations-\(name).h5"], in: folder)
    }
    let rest = onBase + ["--method", "bw", "--method", "calibrated", "--json"]
    let expected = try succeed(
      ["verify", "adapter"] + heldOut + calibration + rest, in: folder
    ).json()
    let found = try succeed(
      [
        "verify", "adapter", "--activations", "activations-heldout.h5", "--calibration",
        "activations-calibration.h5",
      ] + rest, in: folder
    ).json()
    #expect(found["methods"] == expected["methods"])
  }

  @Test("--tokens takes the first, and reads no others")
  func tokens() throws {
    let folder = try basic()
    var sketch = try CapturedSketch(folder.file("activations-heldout.safetensors"))
    try sketch.taking(7).write(to: "few.safetensors", in: folder)
    sketch.set(2, row: 7, column: 0, to: .nan)
    try sketch.write(to: "broken.safetensors", in: folder)
    let rest = ["--method", "none", "--method", "bw", "--json"] + onBase
    let expected = try succeed(
      ["verify", "adapter", "--activations", "few.safetensors"] + rest, in: folder
    ).json()
    #expect(expected.integer("tokens") == 7)
    for name in ["activations-heldout.safetensors", "broken.safetensors"] {
      let found = try succeed(
        ["verify", "adapter", "--activations", name, "--tokens", "7"] + rest, in: folder
      ).json()
      #expect(found["methods"] == expected["methods"])
    }
  }

  @Test("a NaN that is let in takes the figures that it enters, and no others")
  func nonFinite() throws {
    let folder = try basic()
    var sketch = try CapturedSketch(folder.file("activations-heldout.safetensors"))
    sketch.set(2, row: 5, column: 3, to: .nan)
    try sketch.write(to: "broken.safetensors", in: folder)
    let found = try succeed(
      [
        "verify", "adapter", "--activations", "broken.safetensors", "--method", "bw",
        "--allow-nonfinite", "--json",
      ] + onBase, in: folder
    ).json()
    let expected = try verify(["--method", "bw"] + onBase, in: folder)
    for (position, pair) in zip(found.blocks("delta_error"), expected.blocks("delta_error"))
      .enumerated()
    {
      let name = try #require(found.objects("blocks")[position]["name"]?.string)
      // Of layer 2, and of layer 3 that takes its input.
      let isHit = name.contains(".2.") || name.contains(".3.")
      #expect(pair.0 == (isHit ? nil : pair.1), "\(name)")
    }
  }

  @Test("names with PEFT's prefix are the adapter's, and blocks that it lacks are noted")
  func names() throws {
    let folder = try basic()
    var sketch = try CapturedSketch(folder.file("activations-heldout.safetensors"))
    let expected = try verify(["--method", "none"], in: folder)
    sketch.blocks = sketch.blocks.map { ("base_model.model.\($0.block)", $0.matrix) }
    sketch.blocks.append(("base_model.model.lm_head", sketch.blocks[0].matrix))
    try sketch.write(to: "named.safetensors", in: folder)
    let found = try succeed(
      ["verify", "adapter", "--activations", "named.safetensors", "--method", "none", "--json"],
      in: folder
    ).json()
    #expect(found["blocks"] == expected["blocks"])
    let note = "1 block of the activations is not in the adapter"
    #expect(found["notes"]?.array?.last?.string == note)
  }

  @Test("a plain adapter loses nothing")
  func plain() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/plain"))
    let json = try verify(onBase + ["--max-error", "1e-12"], in: folder)
    #expect(json["method"]?.string == "none" && json["structure"]?.string == "plain")
    #expect(json["reason"]?.string == "a plain LoRA has no shortcut to merge")
    #expect(json.blocks("delta_error").allSatisfy { $0.map { $0 < 1e-12 } ?? false })
    #expect(json.blocks("oracle_alpha").allSatisfy { $0 == nil })
    #expect(json["worst_block"]?.isNull == true)
    // With folded weights, what rounding added counts.
    try succeed(
      [
        "fold", "adapter", "--into", "base.safetensors", "--dtype", "bf16", "-o",
        "folded.safetensors",
      ], in: folder)
    let folded = try Tool.run(
      ["verify", "adapter", "--folded", "folded.safetensors", "--max-error", "1e-6"] + heldOut
        + onBase, in: folder.path)
    #expect(folded.status == 1 && folded.output.contains("\nabove 1.0000e-6: roberta."))
  }

  @Test("-q and a pipe show no progress, and the same result")
  func quiet() throws {
    let folder = try basic()
    let arguments = ["verify", "adapter", "--method", "bw"] + heldOut + onBase
    let loud = try succeed(arguments, in: folder)
    let quiet = try succeed(arguments + ["-q"], in: folder)
    #expect(loud.error.isEmpty && quiet.error.isEmpty)
    #expect(quiet.output == loud.output)
  }

  @Test("tokens that were fitted on are counted, padding is not")
  func shared() throws {
    let folder = try basic()
    func warnings(_ activations: String, _ method: String) throws -> [String?] {
      let outcome = try succeed(
        ["verify", "adapter", "--activations", activations, "--method", method, "--json"]
          + calibration, in: folder)
      let warnings = try outcome.json()["warnings"]?.array?.map(\.string) ?? []
      #expect(outcome.error == warnings.map { "warning: \($0 ?? "")\n" }.joined())
      return warnings
    }
    let consequence = "errors of fitted merges are too small; measure on tokens of other texts"
    #expect(
      try warnings("activations-calibration.safetensors", "ls") == [
        "47 of the 48 tokens measured on are among those fitted on: \(consequence)"
      ])
    // The last token of both files is padding.
    #expect(try warnings("activations-heldout.safetensors", "ls") == [])
    var sketch = try CapturedSketch(folder.file("activations-calibration.safetensors"))
    sketch = sketch.taking(1)
    try sketch.write(to: "one.safetensors", in: folder)
    #expect(
      try warnings("one.safetensors", "ls") == [
        "1 of the 1 tokens measured on is among those fitted on: \(consequence)"
      ])
    #expect(
      try warnings("activations-calibration.safetensors", "none") == [
        "the calibration is not used: no merge measured is fitted, and no rank is cut"
      ])
  }

  @Test("--html: a page with the same JSON, checked before any work")
  func page() throws {
    let folder = try basic()
    let arguments =
      ["verify", "adapter", "--method", "calibrated"] + heldOut + calibration + onBase
    let outcome = try succeed(arguments + ["--html", "page.html", "--json"], in: folder)
    #expect(try outcome.json()["html"]?.string == "page.html")
    let html = try String(contentsOfFile: folder.file("page.html"), encoding: .utf8)
    let start = try #require(html.range(of: "id=\"report\">")).upperBound
    let end = try #require(html.range(of: "</script>")).lowerBound
    let embedded = try JSONValue(parsing: Array(html[start..<end].utf8)).object
    #expect(try embedded == outcome.json())
    #expect(html.contains("data-key=\"fit.cross_validated_error\""))
    let before = folder.entries
    let again = try Tool.run(arguments + ["--html", "page.html"], in: folder.path)
    #expect(again.status == 2 && again.output.isEmpty)
    #expect(
      again.error == "error: page.html: exists already; name another output or pass --force\n")
    #expect(folder.entries == before)
    let text = try succeed(arguments + ["--html", "page.html", "--force"], in: folder)
    #expect(text.output.hasSuffix("wrote the page page.html\n"))
  }
}
