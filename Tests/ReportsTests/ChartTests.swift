import Adapters
import Tensors
import Testing

@testable import Reports

/// Scales, grids of blocks and what is drawn by them.
@Suite struct ChartTests {
  @Test("ticks are round, ascend and lie on the scale")
  func ticks() {
    #expect(
      Scale([0.03, 0.24]).ticks.map(\.label) == ["0", "0.05", "0.10", "0.15", "0.20", "0.25"])
    #expect(
      Scale([0.7696, 1.12]).ticks.map(\.label) == ["0.7", "0.8", "0.9", "1.0", "1.1", "1.2"])
    #expect(Scale([360, 470]).ticks.map(\.label) == ["350", "400", "450", "500"])
    #expect(Scale([0.2, 3], fromZero: true).low == 0)
    #expect(Scale([1, 1]).ticks.count >= 3)
    let logarithmic = Scale([1e-6, 1e-1], mayBeLogarithmic: true)
    #expect(logarithmic.isLogarithmic)
    #expect(logarithmic.ticks.first?.label == "1e−6")
    #expect(logarithmic.share(1e-6) == 0)
    #expect(logarithmic.share(0) == 0)
    // What rounding left of a zero makes no scale of sixteen decades.
    #expect(!Scale([4e-16, 1e-1], fromZero: true, mayBeLogarithmic: true).isLogarithmic)
  }

  @Test("every number has its place on every scale", arguments: HostilePages.numbers)
  func extremes(_ value: Double) {
    for other in HostilePages.numbers {
      for scale in [
        Scale([value, other]), Scale([value, other], fromZero: true, mayBeLogarithmic: true),
      ] {
        #expect(scale.low < scale.high)
        #expect((2...20).contains(scale.ticks.count), "\(value), \(other)")
        #expect(zip(scale.ticks, scale.ticks.dropFirst()).allSatisfy { $0.value < $1.value })
        #expect(scale.ticks.allSatisfy { !$0.label.contains("nan") && !$0.label.contains("inf") })
        for place in [value, other] where place.isFinite {
          #expect((0...1).contains(scale.share(place)))
          #expect((0..<11).contains(scale.part(place, of: 11)))
        }
      }
    }
  }

  @Test("families are rows and layers columns")
  func grid() {
    let grid = BlockGrid([
      "encoder.layer.10.attention.self.query", "encoder.layer.2.attention.self.query",
      "encoder.layer.2.attention.self.value", "classifier",
    ])
    #expect(
      grid.families.map(\.label) == ["attention.self.query", "attention.self.value", "classifier"])
    #expect(grid.families[0].members.map(\.layer) == [2, 10])
    #expect(grid.families[0].members.map(\.block) == [1, 0])
    #expect(grid.layers == [2, 10, nil])
  }

  @Test("the layer is the first number that differs")
  func layer() {
    let experts = (0..<2).flatMap { layer in
      (0..<2).map { "model.0.layers.\(layer).experts.\($0).up" }
    }
    let grid = BlockGrid(experts)
    #expect(grid.families.map(\.label) == ["experts.0.up", "experts.1.up"])
    #expect(grid.layers == [0, 1])
    #expect(BlockGrid(["lora_unet_down_blocks_3_to_q"]).layers == [3])
    #expect(
      BlockGrid(["encoder.0.q", "decoder.0.q"]).families.map(\.label) == [
        "encoder.*.q", "decoder.*.q",
      ])
  }

  @Test("every block has one place, whatever its name")
  func places() {
    let grid = BlockGrid(HostilePages.names)
    let blocks = grid.families.flatMap { $0.members.map(\.block) }
    #expect(blocks.sorted() == Array(HostilePages.names.indices))
    for family in grid.families {
      #expect(Set(family.members.map(\.layer)).count == family.members.count)
    }
    let crowd = BlockGrid((0..<200).map { "b\($0)" })
    #expect(crowd.isSequence)
    #expect(crowd.layers.count == 200)
  }

  @Test("a heat map's legend spans its colours")
  func legend() throws {
    let names = (0..<6).map { "layer.\($0).q" }
    let values: [Double?] = [0.02, 0.11, 0.07, nil, .nan, 0.24]
    let map = HeatMap(
      title: "error", key: "delta_error", names: names, values: values, grid: BlockGrid(names),
      scale: HeatMap.scale(of: values))
    let html = map.figure.markup.html
    let drawn = try #require(Drawn(html).charts.first)
    #expect(drawn.labels.suffix(6) == ["0", "0.05", "0.10", "0.15", "0.20", "0.25"])
    #expect(drawn.labels.prefix(6) == ["0", "1", "2", "3", "4", "5"])
    #expect(Drawn(html).strays.isEmpty)
    #expect(html.matches(of: #/data-value=/#).count == 4)
    #expect(html.matches(of: #/class="cell hx"/#).count == 1)
    #expect(html.contains("class=\"cell h10\" data-mark=\"\" data-block=\"layer.5.q\""))
  }

  @Test("large forests are cut, and the caption says so", arguments: [false, true])
  func forest(isLinked: Bool) throws {
    let names = (0..<5000).map { "layer.\($0).q" }
    let topology = try Topology(
      structure: .inputShortcut, root: .ownInput, reach: .all, names: names.map { .init($0) },
      previous: names.indices.map { $0 == 0 || !isLinked ? nil : .init(names[$0 - 1]) })
    let adapter = ReportedAdapter(
      label: "", format: "", topology: topology,
      blocks: names.map { .init(name: $0, rank: 1, inFeatures: 1, outFeatures: 1) })
    let figure = try #require(TopologyChart(adapter: adapter).figure)
    let shown = isLinked ? TopologyChart.maximumDepth : TopologyChart.maximumLanes
    #expect(figure.caption.contains("\(NumberText.count(5000 - shown)) more blocks of the forest"))
    let drawn = Drawn(figure.markup.html)
    #expect(drawn.strays.isEmpty)
    #expect(try #require(drawn.charts.first).width <= 900)
  }

  @Test("methods look the same in every page")
  func styles() {
    let styles = SeriesStyle.of(methods: ["bw", "mine", "bi", "yours", "bw"])
    #expect(styles[0] == styles[4])
    #expect(styles[0] == SeriesStyle.of(methods: ["bw"])[0])
    #expect(Set(styles.map(\.style)).count == 4)
  }

  @Test("a line of errors needs several numbers of tokens")
  func calibration() {
    func run(_ tokens: Int?) -> CalibrationChart.Run {
      .init(name: "calibrated", style: .only, tokens: tokens, error: 0.1, position: 0)
    }
    #expect(CalibrationChart([run(nil), run(100)]) == nil)
    #expect(CalibrationChart([run(100), run(100)]) == nil)
    #expect(CalibrationChart([run(100), run(200), run(nil)]) != nil)
    #expect(CalibrationChart([run(0), run(200)]) == nil)
  }
}
