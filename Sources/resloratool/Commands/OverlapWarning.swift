import Activations

enum OverlapWarning {
  static func warnings(_ measured: CapturedInputs, _ fitted: CapturedInputs) throws -> [String] { [] }
}
