import TestSupport

/// `verify`, and merges on captured inputs. Errors of outputs are left to `VerifyTests`: they come of
/// products in float32, of which another processor may give other last digits.
extension GoldenTests {
  private static let verify = ["verify", "adapter"] + heldOut

  static let verifyCases: [Case] = [
    Case(
      name: "verify-one", fixture: "synthetic/is-basic",
      arguments: verify
        + ["--method", "bi", "--windows", "norm-windows.json", "--max-error", "0.5"]),
    Case(
      name: "verify-several", fixture: "synthetic/is-basic",
      arguments: verify + ["--method", "none", "--method", "ls", "--method", "calibrated"]
        + calibration + ["--calibration-tokens", "16,48"]),
    Case(
      name: "verify-plain", fixture: "synthetic/plain", arguments: verify + ["--tokens", "9"]),
    Case(
      name: "merge-auto", fixture: "synthetic/is-basic",
      arguments: [
        "merge", "adapter", "--method", "auto", "--dry-run", "--calibration-tokens", "20",
      ]
        + calibration + onBase),
    Case(
      name: "merge-cut", fixture: "synthetic/bs-pre1",
      arguments: ["merge", "adapter", "--rank", "2", "--dry-run"] + calibration),
    Case(name: "help-verify", fixture: "synthetic/plain", arguments: ["verify", "--help"]),
  ]
}
