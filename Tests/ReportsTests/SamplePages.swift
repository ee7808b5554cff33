import Adapters
import ByteIO
import Reports
import Tensors
import TestSupport

/// Pages made up for tests, their JSON beside them.
enum SamplePages {
  /// A page and what it must agree with.
  struct Sample {
    var name: String
    let html: String
    let json: JSONValue
  }

  static func source(_ json: JSONValue?) -> ReportSource {
    ReportSource(
      program: "resloratool 0.0.0", command: "resloratool verify adapter --html page.html",
      json: json)
  }

  /// An encoder's query and value, linked along the layers.
  static func adapter(layers: Int = 6, structure: Structure = .inputShortcut) throws
    -> ReportedAdapter
  {
    var generator = SeededGenerator(seed: 7)
    let kinds = ["attention.self.query", "attention.self.value"]
    let names = kinds.flatMap { kind in (0..<layers).map { "encoder.layer.\($0).\(kind)" } }
    let topology = try Topology(
      structure: structure, root: .ownInput, reach: .all, names: names.map { TensorName($0) },
      previous: names.indices.map {
        $0 % layers == 0 ? nil : TensorName(names[$0 - 1])
      })
    return ReportedAdapter(
      label: "adapter", format: "published ResLoRA checkpoint", topology: topology,
      blocks: names.map { name in
        let level = Double.random(in: 8...12, using: &generator)
        func window() -> NormWindow {
          NormWindow((0..<100).map { _ in level + Double.random(in: -1...1, using: &generator) })
        }
        return ReportedAdapter.Block(
          name: name, rank: 4, inFeatures: 384, outFeatures: 384,
          windows: NormWindows(input: window(), projection: window()))
      }, notes: ["topology inferred from names"])
  }

  /// Three methods, one of them calibrated on four numbers of tokens.
  static func verify(layers: Int = 6) throws -> (page: VerifyReportPage, sample: Sample) {
    var generator = SeededGenerator(seed: 11)
    let adapter = try adapter(layers: layers)
    func method(_ name: String, _ tokens: Int?, level: Double) -> VerifyReportPage.Method {
      let blocks = adapter.blocks.map { block in
        let error = level * Double.random(in: 0.5...1.5, using: &generator)
        return VerifyReportPage.Block(
          name: block.name, deltaError: error, outputError: error / 7, maxTokenError: error * 2.3,
          cosine: 1 - error * error / 2,
          alpha: name == "calibrated" ? [] : [Double.random(in: 0.9...1.1, using: &generator)],
          oracleAlpha: Double.random(in: 0.8...1.0, using: &generator),
          fit: name == "calibrated"
            ? ReportedFit(prior: "bw", penalty: .infinity, expectedError: error * 0.9) : nil)
      }
      let mean = blocks.reduce(0) { $0 + $1.deltaError } / Double(blocks.count)
      let worst = blocks.max { $0.deltaError < $1.deltaError }?.name ?? ""
      return VerifyReportPage.Method(
        name: name, calibrationTokens: tokens, meanDeltaError: mean, meanOutputError: mean / 7,
        worstBlock: worst, blocks: blocks)
    }
    let page = VerifyReportPage(
      adapter: adapter, activations: "activations.h5", tokens: 4096, base: "base.safetensors",
      methods: [
        method("bi", nil, level: 0.164), method("bw", nil, level: 0.167),
        method("calibrated", 256, level: 0.15), method("calibrated", 1024, level: 0.11),
        method("calibrated", 4096, level: 0.085), method("calibrated", 20480, level: 0.073),
      ])
    let json = json(page)
    return (page, Sample(name: "verify", html: page.html(source(json)), json: json))
  }

  private static func json(_ page: VerifyReportPage) -> JSONValue {
    .members([
      "tokens": .integer(page.tokens),
      "methods": .array(
        page.methods.map { method in
          .members([
            "method": .string(method.name),
            "calibration_tokens": method.calibrationTokens.map { .integer($0) },
            "mean_delta_error": .double(method.meanDeltaError),
            "mean_output_error": method.meanOutputError.map(JSONValue.double),
            "worst_block": .string(method.worstBlock),
            "blocks": .array(
              method.blocks.map { block in
                .members([
                  "name": .string(block.name), "delta_error": .double(block.deltaError),
                  "output_error": block.outputError.map(JSONValue.double),
                  "max_token_error": .double(block.maxTokenError),
                  "cosine": .double(block.cosine),
                  "alpha": .array(block.alpha.map(JSONValue.double)),
                  "oracle_alpha": block.oracleAlpha.map(JSONValue.double),
                  "fit": block.fit.map { fit in
                    .members([
                      "prior": fit.prior.map(JSONValue.string),
                      "cross_validated_error": fit.expectedError.map(JSONValue.double),
                    ])
                  },
                ])
              }),
          ])
        }),
    ])
  }
}
