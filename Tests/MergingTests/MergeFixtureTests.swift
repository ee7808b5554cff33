import Adapters
import ByteIO
import Merging
import Safetensors
import Tensors
import TestSupport
import Testing

/// Merges of every fixture against the float64 generator, which shares no code with the package.
@Suite struct MergeFixtureTests {
  private static let tolerance = 1e-12

  private func adapter(_ fixture: FixtureCase) throws -> Adapter {
    let root = try fixture.expected()["root"]?.string.flatMap(RootRule.init(rawValue:))
    return try Adapter(
      path: fixture.adapterPath,
      overrides: AdapterOverrides(
        root: root, windows: try fixture.windowsPath.map { try WindowsFile(path: $0) }))
  }

  private func merge(
    _ fixture: FixtureCase, _ method: String, profile: MergeInputs.Profile = .standard,
    truncation: RankTruncation? = nil, threads: Int = 2
  ) throws -> (Adapter, Merge.Result) {
    let adapter = try adapter(fixture)
    let inputs = MergeInputs(
      base: try SafetensorsFile(path: fixture.basePath), profile: profile, threads: threads)
    return (
      adapter, try Merge(method: method, inputs: inputs, truncation: truncation).run(adapter)
    )
  }

  /// Compares the figures of every block.
  private func check(
    _ adapter: Adapter, _ result: Merge.Result, _ expected: JSONObject,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    #expect(expected.members.count == adapter.blocks.count, sourceLocation: location)
    for (block, figures) in zip(adapter.blocks, result.blocks) {
      let want = try #require(expected[block.name.string]?.object, "\(block.name)")
      let alpha = try #require(want.doubles("alpha"))
      let matches =
        alpha.count == figures.alpha.count
        && zip(figures.alpha, alpha).allSatisfy { agree($0, $1, to: Self.tolerance) }
      #expect(
        matches, "\(block.name): α \(figures.alpha), expected \(alpha)", sourceLocation: location)
      #expect(figures.rank == want.integer("rank"), "\(block.name)", sourceLocation: location)
      for (found, key) in [(figures.deltaNorm, "delta_norm"), (figures.foldedNorm, "folded_norm")] {
        let number = try #require(found, "\(block.name) \(key)")
        let wanted = try #require(want.double(key))
        #expect(
          agree(number, wanted, to: Self.tolerance),
          "\(block.name) \(key) \(number), not \(wanted)",
          sourceLocation: location)
      }
      if let norm = figures.norm, let wanted = want.double("norm") {
        #expect(agree(norm, wanted, to: Self.tolerance), sourceLocation: location)
      }
    }
  }

  @Test("α, ranks and norms of every method equal the float64 oracle", arguments: FixtureCase.all)
  func figures(_ fixture: FixtureCase) throws {
    let methods = try fixture.results("methods")
    #expect(!methods.isEmpty)
    for (method, blocks) in methods {
      let (adapter, result) = try merge(fixture, method)
      #expect(result.method == method)
      try check(adapter, result, blocks)
    }
  }

  @Test("the lmops profile gives the published code's numbers", arguments: FixtureCase.all)
  func published(_ fixture: FixtureCase) throws {
    for (method, blocks) in try fixture.results("lmops") {
      let (adapter, result) = try merge(fixture, method, profile: .lmops)
      try check(adapter, result, blocks)
    }
  }

  @Test("s B A equals the dense delta, element by element", arguments: FixtureCase.synthetic)
  func deltas(_ fixture: FixtureCase) throws {
    let expected = try SafetensorsFile(path: fixture.path("deltas.safetensors"))
    for (method, _) in try fixture.results("methods") {
      let (_, result) = try merge(fixture, method)
      for (index, block) in result.lora.blocks.enumerated() {
        let factors = try result.lora.factors(of: index)
        let name = TensorName("\(method)/\(block.name.string)")
        let position = try #require(expected.index(of: name), "\(name)")
        let delta = try expected.float64(of: position)
        let scale = delta.map(abs).max() ?? 0
        for row in 0..<block.outFeatures {
          for column in 0..<block.inFeatures {
            var sum = 0.0
            for k in 0..<block.rank { sum += factors.b[row, k] * factors.a[k, column] }
            let difference = abs(block.scaling * sum - delta[row * block.inFeatures + column])
            #expect(difference <= 1e-13 * scale, "\(name) [\(row), \(column)]")
          }
        }
      }
    }
  }

  @Test("rank and energy truncation equal a dense SVD", arguments: ["bs-all", "bs-ranks"])
  func truncation(_ name: String) throws {
    let fixture = FixtureCase("synthetic/\(name)")
    let expected = try #require(try fixture.expected()["truncated"]?.object)
    for (kind, settings) in expected.members {
      for (value, blocks) in settings.object?.members ?? [] {
        let truncation: RankTruncation =
          kind == "rank" ? .rank(try #require(Int(value))) : .energy(try #require(Double(value)))
        let (adapter, result) = try merge(fixture, "exact", truncation: truncation)
        for (block, figures) in zip(adapter.blocks, result.blocks) {
          let want = try #require(blocks.object?[block.name.string]?.object)
          #expect(figures.rank == want.integer("rank"), "\(kind) \(value) \(block.name)")
          let norm = try #require(want.double("delta_norm"))
          #expect(agree(figures.deltaNorm, norm, to: 1e-10), "\(block.name)")
          let error = try #require(want.double("error"))
          let truncation = try #require(figures.truncation)
          #expect(abs(truncation.relativeError - error) < 1e-10, "\(block.name)")
        }
      }
    }
  }

  @Test(
    "results have the same bits for every number of threads", arguments: ["is-basic", "ms-all"])
  func threads(_ name: String) throws {
    let fixture = FixtureCase("synthetic/\(name)")
    let one = try merge(fixture, "bw", threads: 1).1
    let many = try merge(fixture, "bw", threads: 7).1
    for (a, b) in zip(one.blocks, many.blocks) {
      #expect(a.alpha.map(\.bitPattern) == b.alpha.map(\.bitPattern))
      #expect(a.foldedNorm?.bitPattern == b.foldedNorm?.bitPattern)
      #expect(a.deltaNorm.bitPattern == b.deltaNorm.bitPattern)
    }
  }

  @Test(
    "the full real adapters equal their independent results to 1e-6",
    .enabled(
      if: TestFiles.shared("data/minilm-reslora") != nil, "no ../shared beside the repository"),
    arguments: ["is", "bs", "ms"])
  func sharedAdapters(_ structure: String) throws {
    let root = try #require(TestFiles.shared("data/minilm-reslora"))
    let adapter = try Adapter(
      path: "\(root)/\(structure)",
      overrides: AdapterOverrides(
        windows: try WindowsFile(path: "\(root)/\(structure)/norm-windows.json")))
    let inputs = MergeInputs(base: try SafetensorsFile(path: "\(root)/base.safetensors"))
    let expected = try TestFiles.json("\(root)/\(structure)/expected.json").object
    for (method, value) in expected?["methods"]?.object?.members ?? [] where method != "ls" {
      let result = try Merge(method: method, inputs: inputs).run(adapter)
      for (block, figures) in zip(adapter.blocks, result.blocks) {
        let want = try #require(value.object?["blocks"]?.object?[block.name.string]?.object)
        #expect(agree(figures.deltaNorm, try #require(want.double("delta_norm")), to: 1e-6))
        let folded = try #require(figures.foldedNorm)
        #expect(agree(folded, try #require(want.double("folded_norm")), to: 1e-6))
        // The data lists the terms of Eq. 12, the report their sum.
        var alpha = try #require(want.doubles("alpha"))
        if structure == "ms", method == "bi", !alpha.isEmpty { alpha = [alpha.reduce(0, +)] }
        #expect(alpha.count == figures.alpha.count)
        #expect(zip(figures.alpha, alpha).allSatisfy { agree($0, $1, to: 1e-6) })
      }
    }
  }
}
