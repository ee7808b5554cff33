/// The few things to know first, as tiles.
struct Facts: Sendable {
  /// One of them.
  struct Fact: Sendable {
    let name: String
    let value: Markup
    let detail: Markup?
  }

  private var facts: [Fact] = []

  /// Adds a fact in words.
  mutating func add(_ name: String, _ value: String, detail: String? = nil) {
    facts.append(
      Fact(
        name: name, value: Markup(breakable: value), detail: detail.map(Markup.init(breakable:))))
  }

  /// Adds a number, and the block it is of.
  mutating func add(_ name: String, _ figure: Figure, detail: String? = nil) {
    var figure = figure
    figure.digits = 4
    facts.append(
      Fact(
        name: name, value: figure.span,
        detail: (detail ?? figure.block).map(Markup.init(breakable:))))
  }

  /// Adds the least and the greatest of several numbers.
  mutating func add(_ name: String, rangeOf figures: [Figure], detail: String? = nil) {
    let finite = figures.filter(\.value.isFinite).map { figure in
      var figure = figure
      figure.digits = 3
      return figure
    }
    guard let least = finite.min(by: { $0.value < $1.value }),
      let most = finite.max(by: { $0.value < $1.value })
    else { return }
    let value =
      least.value == most.value
      ? most.span : Markup(joining: [least.span, Markup(text: " – "), most.span])
    facts.append(Fact(name: name, value: value, detail: detail.map(Markup.init(text:))))
  }

  /// The list.
  var markup: Markup {
    Markup("dl", ["class": "facts"]) {
      for fact in facts {
        Markup("div") {
          Markup("dt") { fact.name }
          Markup("dd") {
            fact.value
            if let detail = fact.detail { Markup("small") { detail } }
          }
        }
      }
    }
  }
}
