public import ByteIO

/// An adapter of `Fixtures/` with what must come out of it, computed by the independent generator.
public struct FixtureCase: Sendable, CustomStringConvertible {
  /// The folder below `Fixtures/`.
  public let folder: String

  /// Names a case.
  public init(_ folder: String) { self.folder = folder }

  /// All synthetic cases.
  public static let synthetic: [FixtureCase] =
    ((try? Paths.entries(of: TestFiles.fixture("synthetic"))) ?? []).map {
      FixtureCase("synthetic/\($0)")
    }
  /// The real adapters.
  public static let real = ["is", "bs", "ms"].map { FixtureCase("minilm/\($0)") }
  /// All cases.
  public static let all = synthetic + real

  /// The name in a test's output.
  public var description: String { folder }

  /// The path of a file of the case.
  public func path(_ name: String) -> String { TestFiles.fixture("\(folder)/\(name)") }

  private func exists(_ name: String) -> Bool { (try? Paths.kind(of: path(name))) != .absent }

  /// The adapter, in whatever form the case has it.
  public var adapterPath: String {
    if exists("adapter") { return path("adapter") }
    if exists("adapter.safetensors") { return path("adapter.safetensors") }
    return path("")
  }

  /// The base weights.
  public var basePath: String {
    exists("base.safetensors")
      ? path("base.safetensors") : TestFiles.fixture("minilm/base.safetensors")
  }

  /// The norm windows beside the adapter, where the case has them there.
  public var windowsPath: String? {
    exists("norm-windows.json") ? path("norm-windows.json") : nil
  }

  /// The content of `expected.json`.
  public func expected() throws -> JSONObject {
    try TestFiles.json(path("expected.json")).object ?? JSONObject()
  }

  /// What the methods of `section` give: method, block, figures.
  public func results(_ section: String) throws -> [(method: String, blocks: JSONObject)] {
    (try expected()[section]?.object?.members ?? []).map { method, value in
      (method, value.object?["blocks"]?.object ?? JSONObject())
    }
  }
}

/// Whether two numbers agree to a relative error.
public func agree(_ found: Double, _ expected: Double, to tolerance: Double) -> Bool {
  abs(found - expected) <= tolerance * max(abs(expected), 1e-300)
}

extension JSONObject {
  /// The number of a key.
  public func double(_ key: String) -> Double? { self[key]?.number?.double }
  /// The whole number of a key.
  public func integer(_ key: String) -> Int? { self[key]?.number?.integer }
  /// The numbers of a key's array.
  public func doubles(_ key: String) -> [Double]? {
    self[key]?.array?.compactMap { $0.number?.double }
  }
}
