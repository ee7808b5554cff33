internal import ByteIO

extension JSONValue {
  /// A number that reads back as the same, or a string for what is not finite.
  static func bits(of value: Double) -> JSONValue {
    value.isFinite ? .double(value) : .string(value.isNaN ? "nan" : value < 0 ? "-inf" : "inf")
  }

  /// The number of `bits(of:)`; nil for anything else.
  var bitsOfDouble: Double? {
    switch self {
    case .number(let number): number.double
    case .string("nan"): .nan
    case .string("inf"): .infinity
    case .string("-inf"): -.infinity
    default: nil
    }
  }

  /// The numbers of an array of such; nil for anything else.
  var bitsOfDoubles: [Double]? {
    guard let array else { return nil }
    let values = array.compactMap(\.bitsOfDouble)
    return values.count == array.count ? values : nil
  }
}
