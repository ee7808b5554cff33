import Adapters
import ByteIO
import Foundation
import Safetensors
import Tensors
import TestSupport
import Testing

/// `merge` and `fold` on captured inputs: what is fitted, what is said of it, and that both give the
/// same weights. The fits themselves are held against the oracle in ReplayingTests.
@Suite struct CalibrationTests {
  private func merge(
    _ arguments: [String], in folder: TemporaryFolder, warnings: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> JSONObject {
    let outcome = try succeed(
      ["merge", "adapter", "--json"] + arguments, in: folder, sourceLocation: sourceLocation)
    let found = try outcome.json()["warnings"]?.array?.map(\.string)
    #expect(found == warnings, sourceLocation: sourceLocation)
    #expect(
      outcome.error == warnings.map { "warning: \($0)\n" }.joined(), sourceLocation: sourceLocation)
    return try outcome.json()
  }

  @Test("fit: how each block was fitted; a root was not")
  func fit() throws {
    let folder = try basic()
    let json = try merge(onBase + calibration + ["--method", "calibrated", "-o", "m"], in: folder)
    let expected = try TestFiles.json(folder.file("replay.json")).object?["fits"]?.object?[
      "calibrated"]?.object
    for block in json.objects("blocks") {
      let name = try #require(block["name"]?.string)
      #expect(block["trials"] == nil)
      guard !name.contains(".0.") else {
        #expect(block["fit"] == nil && block.doubles("alpha") == [1])
        continue
      }
      let fit = try #require(block["fit"]?.object)
      #expect(
        fit.members.map(\.key)
          == ["tokens", "prior", "c", "lambda", "cross_validated_error", "condition"])
      let want = try #require(expected?[name]?.object)
      #expect(fit.integer("tokens") == 48 && fit["prior"] == want["prior"])
      #expect(agree(try #require(fit.double("c")), try #require(want.double("c")), to: 1e-12))
      let error = try #require(fit.double("cross_validated_error"))
      #expect(agree(error, try #require(want.double("cv_error")), to: 1e-9))
      #expect(block.doubles("alpha") == [])
    }
  }

  @Test("a folder of files is one set of tokens; a file of other inputs in it is named")
  func folders() throws {
    let folder = try basic()
    _ = folder.folder("several")
    let whole = try SafetensorsFile(path: folder.file("activations-calibration.safetensors"))
    for (name, rows) in [("a", 0..<20), ("b", 20..<48)] {
      let source = MemoryTensorSource(
        label: name,
        tensors: try whole.tensors.enumerated().map { index, info in
          let row = info.byteCount / info.shape[0]
          return (
            try TensorInfo(name: info.name, dtype: info.dtype, shape: [rows.count, info.shape[1]]),
            try whole.bytes(of: index, range: (rows.lowerBound * row)..<(rows.upperBound * row))
          )
        })
      try SafetensorsWriter.write(
        source, metadata: whole.header.metadata, to: folder.file("several/\(name)"),
        replacing: false)
    }
    let arguments = onBase + ["--method", "calibrated"]
    _ = try merge(
      arguments + ["--calibration", "several", "-o", "m.safetensors"], in: folder)
    _ = try merge(arguments + calibration + ["-o", "n.safetensors"], in: folder)
    #expect(
      try FileSystem.contents(folder.file("m.safetensors"))
        == FileSystem.contents(folder.file("n.safetensors")))
    let measured = try ["several", "activations-calibration.safetensors"].map {
      try succeed(
        ["verify", "adapter", "--json", "--method", "none", "--activations", $0], in: folder
      ).json().objects("methods")
    }
    #expect(measured[0] == measured[1])
    try SafetensorsWriter.write(
      MemoryTensorSource(
        label: "c",
        tensors: [
          (try TensorInfo(name: "x", dtype: .f32, shape: [1, 1]), [UInt8](repeating: 0, count: 4))
        ]), metadata: [("inputs", #"{"x": "x"}"#)], to: folder.file("several/c"), replacing: false)
    let outcome = try Tool.run(
      ["merge", "adapter", "--calibration", "several", "-o", "o"] + onBase, in: folder.path)
    #expect(outcome.status == 3)
    #expect(
      outcome.error.hasPrefix("error: several/c: other inputs than 'a' of the same folder (no "))
  }

  @Test("trials: what auto tried on tokens held back, and the one it took")
  func trials() throws {
    let folder = try basic()
    let arguments =
      onBase + calibration + ["--windows", "norm-windows.json", "--method", "auto", "-o", "m"]
    let json = try merge(arguments, in: folder)
    #expect(json["method"]?.string == "auto")
    for block in json.objects("blocks") {
      let trials = block.objects("trials")
      #expect(trials.allSatisfy { $0.keys == ["method", "delta_error", "taken"] })
      #expect(
        trials.map { $0["method"]?.string } == ["none", "bi", "bw", "ls", "calibrated"])
      let taken = trials.filter { $0["taken"]?.bool == true }
      let least = trials.compactMap { $0.double("delta_error") }.min() ?? 0
      #expect(taken.count == 1 && taken[0].double("delta_error") ?? 1 <= least + 1e-9)
      #expect((taken[0]["method"]?.string == "calibrated") == (block["fit"] != nil))
    }
    let text = try succeed(["merge", "adapter", "--force"] + arguments, in: folder).output
    let heading = try #require(
      text.split(separator: "\n").first { $0.hasPrefix("error on tokens held back") })
    #expect(
      heading.split(separator: " ").suffix(6)
        == ["none", "bi", "bw", "ls", "calibrated", "taken"])
    let root = try #require(
      text.split(separator: "\n").last { $0.hasPrefix("model.layers.0.self_attn.q_proj") })
    #expect(root.split(separator: " ").dropFirst() == ["0.500000", "0", "0", "0", "0", "bi"])
  }

  @Test("with a file to fit on, calibrated is what a merge takes unasked")
  func unasked() throws {
    let json = try merge(calibration + ["-o", "m"], in: basic())
    #expect(json["method"]?.string == "calibrated")
    #expect(json["reason"]?.string == "captured inputs to fit on are at hand")
  }

  @Test(
    "a huge penalty leaves the paper's merge", arguments: ["is-basic", "ms-pre2", "is-stacked"])
  func penalty(_ name: String) throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/\(name)"))
    func verify(_ arguments: [String]) throws -> JSONObject {
      try succeed(["verify", "adapter", "--json"] + heldOut + onBase + arguments, in: folder).json()
    }
    let paper = try verify(["--method", "bw"])
    let drawn = try verify(["--method", "calibrated", "--penalty", "1e30"] + calibration)
    for (found, expected) in zip(drawn.blocks("delta_error"), paper.blocks("delta_error")) {
      let (found, expected) = (try #require(found), try #require(expected))
      #expect(abs(found - expected) <= 1e-9 * expected + 1e-12)
    }
    let fits = drawn.objects("blocks").compactMap { $0["fit"]?.object }
    #expect(!fits.isEmpty)
    for fit in fits {
      #expect(fit.double("c") == 1e30 && fit["prior"]?.string == "bw")
      #expect(fit["cross_validated_error"]?.isNull == true)
    }
  }

  @Test("what should be known of a fit is said", arguments: ["merge", "fold"])
  func warnings(_ command: String) throws {
    let folder = try basic()
    func warnings(_ arguments: [String]) throws -> [String] {
      let base = command == "merge" ? onBase + ["-o", "m"] : ["--into", "base.safetensors"]
      let outcome = try succeed(
        [command, "adapter", "--force", "--json"] + base + calibration + arguments, in: folder)
      let listed = try outcome.json()["warnings"]?.array?.compactMap(\.string) ?? []
      #expect(outcome.error == listed.map { "warning: \($0)\n" }.joined())
      return listed
    }
    let few =
      "fitted on 7 tokens, fewer than the 12 features of an input: the fewer there are, the nearer "
      + "the result is to the merge it is drawn towards; capture more"
    #expect(
      try warnings(["--method", "calibrated", "--calibration-tokens", "7", "--penalty", "1"])
        == [few])
    #expect(try warnings(["--method", "calibrated", "--calibration-tokens", "12"]).isEmpty)
    #expect(try warnings(["--method", "ls", "--calibration-tokens", "7"]).isEmpty)
    #expect(
      try warnings(["--method", "bw"]) == [
        "the calibration is not used: method bw is not fitted, and no rank is cut"
      ])
    #expect(try warnings(["--method", "bw", "--rank", "2"]).isEmpty)
  }

  @Test("another base than the recorded one is on the page and in the JSON too")
  func otherBase() throws {
    let folder = try basic()
    try succeed(["convert", "adapter", "o.reslora", "--base", "base.safetensors"], in: folder)
    let other = ["--base", "folded-none.safetensors", "--method", "bw"]
    for arguments in [
      ["merge", "o.reslora", "-o", "m"] + other, ["verify", "o.reslora"] + heldOut + other,
    ] {
      let outcome = try succeed(
        arguments + ["--json", "--html", "\(arguments[0]).html"], in: folder)
      let warning = try #require(try outcome.json()["warnings"]?.array?.first?.string)
      #expect(warning.hasPrefix("10 base weights are not those whose SHA-256 the adapter carries"))
      #expect(outcome.error == "warning: \(warning)\n")
      let html = String(
        decoding: try ReadableFile.contents(
          of: folder.file("\(arguments[0]).html"), limit: 1 << 24), as: UTF8.self)
      let body = try #require(html.range(of: "<script")).lowerBound
      #expect(html[..<body].contains("10 base weights are not those whose SHA-256"))
    }
  }

  @Test("for block-shortcut, what estimates means exact", arguments: ["ls", "calibrated", "auto"])
  func exact(_ method: String) throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/bs-pre1"))
    let reason = "\(method) means exact for block-shortcut: nothing is to be estimated"
    let unused = "the calibration is not used: method exact is not fitted, and no rank is cut"
    for arguments in [["--method", method], ["--method", method] + calibration] {
      let json = try merge(
        arguments + ["-o", "m", "--force"], in: folder,
        warnings: arguments.count > 2 ? [unused] : [])
      #expect(json["method"]?.string == "exact" && json["reason"]?.string == reason)
      let verified = try succeed(
        ["verify", "adapter", "--json"] + heldOut + arguments, in: folder
      ).json()
      #expect(verified["reason"]?.string == reason)
      #expect(verified.blocks("delta_error").allSatisfy { $0 ?? 1 < 1e-12 })
    }
  }

  @Test("ranks are cut in the metric of the inputs, plain LoRA's too")
  func ranks() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/plain"))
    let blind = try merge(["--rank", "1", "-o", "blind"], in: folder)
    let seeing = try merge(calibration + ["--rank", "1", "-o", "seeing"], in: folder)
    for (one, other) in zip(seeing.objects("blocks"), blind.objects("blocks")) {
      #expect(one.integer("rank") == 1 && other.integer("rank") == 1)
      #expect(other["svd_truncation_error"] == nil)
      let error = try #require(one.double("truncation_error"))
      #expect(error <= (try #require(one.double("svd_truncation_error"))) + 1e-12)
    }
    // On the tokens that decided, it is what verify finds.
    let found = try succeed(
      [
        "verify", "adapter", "--json", "--activations", "activations-calibration.safetensors",
        "--merged", "seeing", "--merged", "blind",
      ], in: folder
    ).json().objects("methods")
    let errors = seeing.objects("blocks")
    #expect(
      agree(
        found[0].blocks("delta_error"), errors.map { $0.double("truncation_error") }, to: 1e-6))
    #expect(
      agree(
        found[1].blocks("delta_error"), errors.map { $0.double("svd_truncation_error") }, to: 1e-6))
  }

  @Test(
    "a fold on captured inputs gives the weights of a merge that is folded",
    arguments: [
      ["--method", "ls"], ["--method", "calibrated"], ["--method", "auto"],
      ["--method", "calibrated", "--penalty", "0.1", "--calibration-tokens", "20"],
      ["--method", "bw", "--rank", "2"], ["--energy", "0.9"],
    ])
  func fold(_ arguments: [String]) throws {
    let folder = try basic()
    let settings = calibration + arguments
    try succeed(
      ["merge", "adapter", "--dtype", "f64", "-o", "merged.safetensors"] + onBase + settings,
      in: folder)
    try succeed(
      ["fold", "merged.safetensors", "--into", "base.safetensors", "-o", "two.safetensors"],
      in: folder)
    let once = try succeed(
      ["fold", "adapter", "--into", "base.safetensors", "-o", "one.safetensors", "--json"]
        + settings, in: folder
    ).json()
    let method = arguments[0] == "--method" ? arguments[1] : "calibrated"
    #expect(once["method"]?.string == method && once["verified"]?.bool == true)
    let differences = try Tool.run(
      ["diff", "one.safetensors", "two.safetensors", "--json"], in: folder.path
    ).json()
    let tensors = differences.objects("tensors")
    #expect(tensors.count == 24)
    #expect(tensors.allSatisfy { $0["equal"]?.bool == true || $0.integer("ulp") ?? 9 <= 1 })
    let base = try Tool.run(
      ["diff", "one.safetensors", "base.safetensors", "--json"], in: folder.path
    ).json()
    #expect(base.objects("tensors").count { $0["equal"]?.bool == false } == 10)
  }
}
