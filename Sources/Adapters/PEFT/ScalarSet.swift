/// What one place of a pattern may be: `[…]`, or a class such as `\d`.
struct ScalarSet: Sendable {
  /// Part of a set.
  enum Member: Sendable {
    case range(ClosedRange<Unicode.Scalar>)
    case category(Category, negated: Bool)
  }

  /// The classes of Python's `re` for text: Unicode's, not only ASCII's.
  enum Category: Sendable {
    case digit
    case word
    case space
  }

  let members: [Member]
  let negated: Bool

  /// Whether a scalar is in the set.
  func contains(_ scalar: Unicode.Scalar) -> Bool {
    members.contains { member in
      switch member {
      case .range(let range): range.contains(scalar)
      case .category(let category, let negated): category.contains(scalar) != negated
      }
    } != negated
  }
}

extension ScalarSet.Category {
  func contains(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    switch self {
    case .digit: return properties.generalCategory == .decimalNumber
    case .space: return properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
    case .word:
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        return true
      default: return scalar == "_" || properties.numericType != nil
      }
    }
  }
}
