#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Where numbers lie between the ends of an axis, and the round numbers marked on it.
struct Scale: Sendable, Equatable {
  /// The axis's ends.
  let low: Double
  let high: Double
  /// Whether equal ratios, not equal differences, are equally far apart.
  let isLogarithmic: Bool
  /// The marked numbers, ascending, and their labels.
  let ticks: [Tick]

  /// A marked number.
  struct Tick: Sendable, Equatable {
    let value: Double
    let label: String
    /// The label of a share in percent.
    var percentLabel: String {
      value == 0 ? "0" : NumberText.full((value * 1e6).rounded() / 1e4) + " %"
    }
  }

  /// A scale with round ends around finite numbers, others aside.
  ///
  /// - Parameters:
  ///   - fromZero: whether 0 is to be an end.
  ///   - mayBeLogarithmic: whether numbers of very different size may make it logarithmic. What is
  ///     below 1e-12 of the greatest counts as 0, of which only rounding is left.
  init(_ values: [Double], fromZero: Bool = false, mayBeLogarithmic: Bool = false, ticks: Int = 5) {
    // What lies beyond is drawn at the end.
    let finite = values.filter(\.isFinite).map { min(max($0, -1e300), 1e300) }
    let least = finite.min() ?? 0
    let most = finite.max() ?? 1
    if mayBeLogarithmic, least > max(1e-300, most * 1e-12), most / least > 500 {
      self.init(decadesFrom: least, to: most)
    } else {
      self.init(
        linearFrom: fromZero ? min(0, least) : least, to: fromZero ? max(0, most) : most,
        ticks: ticks)
    }
  }

  private init(linearFrom least: Double, to most: Double, ticks wanted: Int) {
    var (least, most) = (least, most)
    let magnitude = max(abs(least), abs(most))
    if magnitude < 1e-290 {
      (least, most) = (0, 1)
    } else if most - least < magnitude * 1e-9 {
      (least, most) = (least - magnitude / 2, most + magnitude / 2)
    }
    let raw = (most - least) / Double(wanted)
    let power = pow(10, floor(log10(raw)))
    let ratio = raw / power
    let step = power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10)
    // A number that is round but for its last bits must not open another step.
    let first = floor(least / step + 1e-9)
    let last = ceil(most / step - 1e-9)
    low = min(first * step, least)
    high = max(last * step, most)
    isLogarithmic = false
    ticks = (Int(first)...Int(last)).map {
      let value = Double($0) * step
      return Tick(value: value, label: NumberText.tick(value, step: step))
    }
  }

  private init(decadesFrom least: Double, to most: Double) {
    let first = Int(floor(log10(least) + 1e-9))
    let last = max(first + 1, Int(ceil(log10(most) - 1e-9)))
    let stride = max(1, (last - first) / 5)
    low = min(pow(10, Double(first)), least)
    high = max(pow(10, Double(last)), most)
    isLogarithmic = true
    ticks = Swift.stride(from: first, through: last, by: stride).map {
      let value = pow(10, Double($0))
      return Tick(value: value, label: NumberText.short(value, digits: 1))
    }
  }

  /// A logarithmic scale that marks given numbers, all positive and ascending, some way inside of its
  /// ends.
  init(marking marks: [Double]) {
    precondition(marks.allSatisfy { $0 > 0 && $0.isFinite } && !marks.isEmpty)
    let least = marks[0]
    let most = marks[marks.count - 1]
    let margin = max(1.15, pow(most / least, 0.04))
    low = least / margin
    high = most * margin
    isLogarithmic = true
    ticks = marks.map { Tick(value: $0, label: NumberText.count(Int($0))) }
  }

  /// A linear scale with given ends and ticks.
  init(low: Double, high: Double, ticks: [Tick]) {
    precondition(low < high)
    self.low = low
    self.high = high
    self.ticks = ticks
    isLogarithmic = false
  }

  /// From 0 at the low end to 1 at the high end; numbers beyond are at the ends.
  func share(_ value: Double) -> Double {
    let share =
      isLogarithmic
      ? (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low))
      : (value - low) / (high - low)
    return min(max(share, 0), 1)
  }

  /// Which of `count` equal parts of the scale a number is in.
  func part(_ value: Double, of count: Int) -> Int {
    min(count - 1, Int(share(value) * Double(count)))
  }
}
