import Adapters
import ByteIO
import Merging
import Replaying
import Safetensors
import Tensors
import TestSupport
import Testing

/// Replays of every fixture against the float64 generator, which shares no code with the package
/// (Replay §2 to §6).
@Suite struct ReplayFixtureTests {
  /// Figures of the low-rank term are float64; outputs are products of float32.
  private static let tolerance = 1e-9
  private static let outputTolerance = 2e-6

  private func check(
    _ result: ReplayResult, _ expected: JSONObject, _ what: String
  ) throws {
    let blocks = try #require(expected["blocks"]?.object)
    #expect(blocks.members.count == result.blocks.count)
    for block in result.blocks {
      let want = try #require(blocks[block.name.string]?.object, "\(block.name)")
      let what = "\(what) \(block.name)"
      expectFigure(block.deltaError, want["delta_error"], to: Self.tolerance, what + " delta")
      expectFigure(
        block.outputError, want["output_error"], to: Self.outputTolerance, what + " output")
      expectFigure(
        block.maxTokenError, want["max_token_error"], to: Self.tolerance, what + " token")
      expectFigure(block.cosine, want["cosine"], to: Self.tolerance, what + " cosine")
      expectFigure(block.oracleAlpha, want["oracle_alpha"], to: Self.tolerance, what + " oracle")
      let alpha = try #require(want.doubles("alpha"))
      #expect(alpha.count == block.alpha.count, "\(what)")
      for (found, wanted) in zip(block.alpha, alpha) {
        #expect(abs(found - wanted) <= 1e-9 * abs(wanted), "\(what) α")
      }
    }
    expectFigure(
      result.meanDeltaError, expected["mean_delta_error"], to: Self.tolerance, what + " mean")
    expectFigure(
      result.meanOutputError, expected["mean_output_error"], to: Self.outputTolerance,
      what + " mean output")
    #expect(result.worstBlock?.name.string == expected["worst_block"]?.string, "\(what)")
  }

  @Test("every metric of every method equals the oracle's", arguments: ReplayFixture.all)
  func metrics(_ fixture: FixtureCase) throws {
    let fixture = try ReplayFixture(fixture)
    let methods = try #require(fixture.expected["methods"]?.object).members
    #expect(!methods.isEmpty)
    let candidates = try methods.map { try fixture.candidate(fixture.merge($0.key)) }
    let results = try fixture.replay().run(candidates)
    for ((name, expected), result) in zip(methods, results) {
      #expect(result.tokens == fixture.expected.integer("tokens"))
      try check(result, try #require(expected.object), name)
    }
  }

  @Test("fits choose what the oracle chooses", arguments: ReplayFixture.all)
  func fits(_ fixture: FixtureCase) throws {
    let fixture = try ReplayFixture(fixture)
    for (method, expected) in fixture.expected["fits"]?.object?.members ?? [] {
      let merge = try fixture.merge(method)
      for (block, decision) in zip(fixture.adapter.blocks, merge.blocks) {
        let entry = expected.object?[block.name.string]
        let what = "\(method) \(block.name)"
        if method == "auto" {
          guard merge.method == "auto" else { continue }
          let taken = try #require(decision.trials.first { $0.isTaken }, "\(what)")
          #expect(taken.method == entry?.string, "\(what)")
          continue
        }
        guard let want = entry?.object else {
          #expect(decision.fit == nil, "\(what)")
          continue
        }
        let fit = try #require(decision.fit, "\(what)")
        #expect(fit.prior == want["prior"]?.string, "\(what)")
        expectFigure(
          fit.penalty.isFinite ? fit.penalty : nil, want["c"], to: 1e-12, what + " penalty")
        expectFigure(fit.crossValidatedError, want["cv_error"], to: 1e-9, what + " expected error")
        if let lambda = want.double("lambda"), fit.penalty.isFinite {
          #expect(agree(fit.lambda, lambda, to: 1e-12), "\(what) λ")
        }
        expectFigure(fit.condition, want["condition"], to: 1e-4, what + " condition")
        #expect(fit.tokens == fixture.expected.integer("calibration_tokens"))
      }
    }
  }

  @Test("s B A of fits and cuts equals the dense delta", arguments: ReplayFixture.synthetic)
  func deltas(_ fixture: FixtureCase) throws {
    let path = fixture.path("replay-deltas.safetensors")
    guard try Paths.kind(of: path) == .file else { return }
    let fixture = try ReplayFixture(fixture)
    let file = try SafetensorsFile(path: path)
    let methods = file.tensors.compactMap { $0.name.string.split(separator: "/").first }
    for method in Set(methods) {
      let merge = try self.merge(fixture, String(method))
      for (index, block) in merge.lora.blocks.enumerated() {
        let name = TensorName("\(method)/\(block.name.string)")
        let expected = try file.float64(of: try #require(file.index(of: name), "\(name)"))
        let factors = try merge.lora.factors(of: index)
        let scale = expected.map(abs).max() ?? 0
        for row in 0..<block.outFeatures {
          for column in 0..<block.inFeatures {
            var sum = 0.0
            for k in 0..<block.rank { sum += factors.b[row, k] * factors.a[k, column] }
            let difference = abs(
              block.scaling * sum - expected[row * block.inFeatures + column])
            #expect(difference <= 1e-9 * scale, "\(name) [\(row), \(column)]")
          }
        }
      }
    }
  }

  /// A method by its name in the fixture: `exact-rank-3`, `exact-energy-0.9`, or a method.
  private func merge(_ fixture: ReplayFixture, _ name: String) throws -> Merge.Decision {
    let parts = name.split(separator: "-")
    guard parts.count == 3 else { return try fixture.merge(name) }
    return try fixture.merge(
      String(parts[0]),
      truncation: parts[1] == "rank"
        ? .rank(try #require(Int(parts[2]))) : .energy(try #require(Double(parts[2]))))
  }

  @Test("ranks are cut in the metric of the inputs", arguments: ReplayFixture.synthetic)
  func truncation(_ fixture: FixtureCase) throws {
    let fixture = try ReplayFixture(fixture)
    for (kind, values) in fixture.expected["truncated"]?.object?.members ?? [] {
      for (value, expected) in values.object?.members ?? [] {
        let merge = try merge(fixture, "exact-\(kind)-\(value)")
        let want = try #require(expected.object)
        let result = try fixture.replay().run([fixture.candidate(merge)])[0]
        var calibration = try fixture.replay()
        calibration.inputs = try fixture.inputs("calibration")
        let on = try calibration.run([fixture.candidate(merge)])[0]
        let plainly = try Merge(
          method: "exact", truncation: kind == "rank" ? .rank(try #require(Int(value))) : nil
        ).decide(fixture.adapter)
        let svd = try calibration.run([fixture.candidate(plainly)])[0]
        for (position, block) in result.blocks.enumerated() {
          let figures = try #require(want["blocks"]?.object?[block.name.string]?.object)
          #expect(merge.lora.blocks[position].rank == figures.integer("rank"))
          expectFigure(block.deltaError, figures["delta_error"], to: 1e-9, "\(block.name)")
          let loss = try #require(merge.truncations)[position]
          let plain = try #require(loss.plainRelativeError)
          #expect(loss.relativeError <= plain + 1e-12, "\(block.name): plain SVD is better")
          // What a cut says it loses is what a replay of the calibration tokens finds.
          expectFigure(
            loss.relativeError, on.blocks[position].deltaError.map(JSONValue.double), to: 1e-6,
            floor: 1e-7, "\(block.name) loss")
          if kind == "rank" {
            expectFigure(
              plain, svd.blocks[position].deltaError.map(JSONValue.double), to: 1e-6, floor: 1e-7,
              "\(block.name) loss of plain SVD")
          }
        }
      }
    }
  }

  @Test(
    "what rounding in folded weights adds is measured apart", arguments: ReplayFixture.synthetic)
  func folded(_ fixture: FixtureCase) throws {
    let fixture = try ReplayFixture(fixture)
    let base = try fixture.base()
    for (method, expected) in try #require(fixture.expected["methods"]?.object).members {
      let merge = try fixture.merge(method)
      let match = try BaseMatch(
        fixture.adapter.blocks.map(BaseMatch.Wanted.init), in: base, allowingUnmatched: false)
      let tensors = try match.weights.enumerated().map { index, weight in
        let weight = try #require(weight)
        let factors = try merge.lora.factors(of: index)
        var values = try base.float64(of: weight)
        let delta = factors.b.times(factors.a)
        for i in values.indices { values[i] += merge.lora.blocks[index].scaling * delta.values[i] }
        let info = base.tensors[weight]
        return (info, Conversion.bytes(from: values, dtype: info.dtype))
      }
      var replay = try fixture.replay()
      replay.folded = MemoryTensorSource(label: "folded", tensors: tensors)
      let result = try replay.run([fixture.candidate(merge)])[0]
      for block in result.blocks {
        let want = try #require(
          expected.object?["blocks"]?.object?[block.name.string]?.object)
        // An element on the edge between two roundings may fall to either side.
        expectFigure(
          block.storedError, want["stored_error"], to: 0.02, "\(method) \(block.name) stored")
        expectFigure(
          block.foldedError, want["realised_error"], to: 0.02, "\(method) \(block.name) folded")
      }
    }
  }

  @Test(
    "results have the same bits for every number of threads, in both forms of a fit",
    arguments: ["minilm/ms", "synthetic/ms-all"])
  func threads(_ name: String) throws {
    let fixture = try ReplayFixture(FixtureCase(name))
    let results = try [1, 2, 5].map { threads in
      let merge = try fixture.merge("calibrated", threads: threads)
      let result = try fixture.replay(threads: threads).run([fixture.candidate(merge)])[0]
      return result.blocks.map { [$0.deltaError, $0.outputError, $0.maxTokenError, $0.cosine] }
        + merge.blocks.map { [$0.fit?.crossValidatedError, $0.fit?.condition] }
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }
}
