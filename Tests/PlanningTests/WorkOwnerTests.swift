import ByteIO
import Planning
import TestSupport
import Testing

/// Who may fill the place of an output (Plans §4).
@Suite struct WorkOwnerTests {
  private let folder = TemporaryFolder()
  private var output: String { folder.file("out") }

  private func open(
    _ fingerprint: String, plan: String?, for sharing: OutputFolder.Sharing = .withOthers
  ) throws -> OutputFolder {
    try WorkOwner.open(
      output, names: ["a"], replacing: false, for: sharing,
      WorkOwner(fingerprint: fingerprint, plan: plan))
  }

  @Test("tasks of one plan share it; another plan and a run on one machine are refused")
  func plans() throws {
    let first = try open("1", plan: folder.file("p"))
    _ = try open("1", plan: folder.file("p"))
    // On another machine the plan's folder may have another name.
    _ = try open("1", plan: folder.file("q"))
    for (fingerprint, plan) in [("2", folder.file("q")), ("2", nil), ("1", nil)] {
      let error = #expect(throws: PlanError.self) { try open(fingerprint, plan: plan) }
      #expect(
        "\(error.map(\.description) ?? "")".contains(
          "is being written by the plan \(folder.file("p")) ("))
    }
    #expect(throws: PlanError.self) { try WorkOwner.check(ofOutput: output, for: "2") }
    try WorkOwner.check(ofOutput: output, for: "1")
    #expect(try Paths.kind(of: first.temporaryPath) == .folder, "a refused run removed it")
  }

  @Test("what a killed run on one machine left is anyone's")
  func killed() throws {
    let first = try open("1", plan: nil, for: .alone)
    first.keep()
    let error = #expect(throws: PlanError.self) { try open("2", plan: folder.file("p")) }
    let identity = ProcessIdentity.current
    #expect(
      error?.description.contains(
        "by process \(identity.process) of \(identity.user) on \(identity.host), for ")
        == true)
    withExtendedLifetime(first) {}
  }

  @Test("the place is free when its owner has gone, or left it to a plan", arguments: [nil, "p"])
  func free(_ plan: String?) throws {
    do {
      let first = try open("1", plan: nil, for: .alone)
      first.keep()
    }
    let second = try open("2", plan: plan.map(folder.file), for: plan == nil ? .alone : .withOthers)
    let owner = try #require(WorkOwner(in: second.temporaryPath))
    #expect(owner.fingerprint == "2")
    #expect(owner.plan == plan.map(folder.file))
  }

  @Test("an owner that can't be read is none")
  func damaged() throws {
    do {
      let first = try open("1", plan: nil, for: .alone)
      first.keep()
      try FileSystem.write([1], to: Paths.join(first.temporaryPath, ".owner.json"))
    }
    let second = try open("2", plan: nil, for: .alone)
    #expect(WorkOwner(in: second.temporaryPath)?.fingerprint == "2")
  }
}
