import Tensors
import Testing

@Suite struct DTypeTests {
  /// Name and width in the order of the reference implementation's enumeration, which its writer
  /// sorts by.
  static let reference: [(name: String, bits: Int)] = [
    ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8),
    ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16),
    ("U16", 16), ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64),
    ("F64", 64), ("I64", 64), ("U64", 64),
  ]

  @Test func namesAndWidthsAreThoseOfTheReferenceInItsOrder() {
    #expect(DType.allCases.map(\.rawValue) == DTypeTests.reference.map(\.name))
    #expect(DType.allCases.map(\.bitWidth) == DTypeTests.reference.map(\.bits))
  }

  @Test func comparisonFollowsTheOrderOfTheCases() {
    let shuffled = DType.allCases.sorted { $0.rawValue < $1.rawValue }
    #expect(shuffled != DType.allCases)
    #expect(shuffled.sorted() == DType.allCases)
  }

  @Test func fourTypesAreArithmetic() {
    #expect(DType.allCases.filter(\.isArithmetic) == [.f16, .bf16, .f32, .f64])
    #expect(DType.allCases.filter(\.isArithmetic).map(\.elementByteCount) == [2, 2, 4, 8])
  }

  @Test func subByteAndComplexTypesAreNotDecodable() {
    #expect(
      DType.allCases.filter { !Conversion.isDecodable($0) } == [.f4, .f6E2M3, .f6E3M2, .c64])
  }

  @Test(arguments: ["", "f32", "F32 ", "FLOAT", "F8_E4M3FN", "F128"])
  func otherNamesAreUnknown(name: String) {
    #expect(DType(rawValue: name) == nil)
  }
}
