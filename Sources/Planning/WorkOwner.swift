package import ByteIO
internal import Tensors

/// Who fills the work folder beside an output: noted in it, for whoever finds it taken (Plans §4).
package struct WorkOwner: Sendable, Equatable {
  package static let fileName = ".owner.json"

  /// What job fills it.
  package let fingerprint: String
  /// The folder of the plan that its tasks go by; nil for a run on one machine.
  package let plan: String?
  /// Which process began with it.
  let identity: ProcessIdentity
  /// When it did, in seconds since 1970.
  let since: Int

  /// This process, from now on.
  package init(fingerprint: String, plan: String?) {
    self.fingerprint = fingerprint
    self.plan = plan.map(Paths.absolute)
    identity = .current
    since = WallClock.seconds
  }

  /// Reads what a work folder says.
  ///
  /// - Returns: nil where it says nothing that can be read.
  package init?(in folder: String) {
    let path = Paths.join(folder, WorkOwner.fileName)
    guard let text = try? ReadableFile.contents(of: path, limit: 1 << 20),
      let object = (try? JSONValue(parsing: text))?.object,
      let fingerprint = object["fingerprint"]?.string, let host = object["host"]?.string,
      let process = object.count("process"), let user = object["user"]?.string,
      let since = object.count("since")
    else { return nil }
    self.fingerprint = fingerprint
    plan = object["plan"]?.string
    identity = ProcessIdentity(host: host, process: process, user: user)
    self.since = since
  }

  /// Notes it in a work folder.
  ///
  /// - Parameter replacing: false where the first of several is to stay.
  /// - Throws: `FileError.exists`, `SystemError`.
  package func write(in folder: String, replacing: Bool) throws {
    let text = JSONValue.members([
      "fingerprint": .string(fingerprint), "plan": plan.map(JSONValue.string),
      "host": .string(identity.host), "process": .integer(identity.process),
      "user": .string(identity.user), "since": .integer(since),
    ]).serialized()
    try OutputFile.write(
      Array((text + "\n").utf8), to: Paths.join(folder, WorkOwner.fileName), replacing: replacing)
  }

  /// Checks that no other plan has begun to fill the place of an output.
  ///
  /// - Parameter fingerprint: of the plan that may; nil where none may.
  /// - Throws: `PlanError.held`.
  package static func check(
    ofOutput output: String, for fingerprint: String?
  ) throws(PlanError) {
    let folder = OutputFolder.temporaryPath(of: output)
    guard let owner = WorkOwner(in: folder), owner.plan != nil, owner.fingerprint != fingerprint
    else { return }
    throw held(output, owner)
  }

  /// Opens the work folder of an output for this owner, and notes it there.
  ///
  /// - Parameter names: see `OutputFolder.init(path:names:replacing:for:)`.
  /// - Throws: `PlanError.held` where another run or plan holds it; `FileError`, `SystemError`.
  package static func open(
    _ output: String, names: Set<String>?, replacing: Bool, for sharing: OutputFolder.Sharing,
    _ owner: WorkOwner
  ) throws -> OutputFolder {
    let folder: OutputFolder
    do {
      folder = try OutputFolder(path: output, names: names, replacing: replacing, for: sharing)
    } catch FileError.inUse {
      throw held(output, WorkOwner(in: OutputFolder.temporaryPath(of: output)), owner.fingerprint)
    }
    // What lies in it may be another's until that is known.
    folder.keep()
    let place = folder.temporaryPath
    var earlier = WorkOwner(in: place)
    if earlier == nil, owner.plan != nil {
      do {
        try owner.write(in: place, replacing: false)
        earlier = owner
      } catch FileError.exists {
        // A task of this plan was quicker, or one of another; or it can't be read.
        earlier = WorkOwner(in: place)
      }
    }
    if let earlier { try owner.checkMayFollow(earlier, output) }
    folder.keep(owner.plan != nil)
    // What a run on one machine left, which holds no lock any more, is anyone's.
    if earlier?.plan == nil { try owner.write(in: place, replacing: true) }
    return folder
  }

  /// A plan's place is for its tasks alone.
  private func checkMayFollow(_ earlier: WorkOwner, _ output: String) throws(PlanError) {
    guard earlier.plan == nil || plan != nil && earlier.fingerprint == fingerprint else {
      throw WorkOwner.held(output, earlier)
    }
  }

  private static func held(
    _ output: String, _ owner: WorkOwner?, _ fingerprint: String? = nil
  ) -> PlanError {
    guard let owner else {
      return .held(output: output, by: "another run", advice: "wait until it is done")
    }
    let age = "for \(PlanError.age(WallClock.seconds - owner.since))"
    let place =
      "\(owner.identity.user.escapedForTerminal) on \(owner.identity.host.escapedForTerminal)"
    guard let plan = owner.plan?.escapedForTerminal else {
      return .held(
        output: output, by: "process \(owner.identity.process) of \(place), \(age)",
        advice: "wait until it is done, or stop it")
    }
    if owner.fingerprint == fingerprint {
      return .held(
        output: output, by: "another task of the plan \(plan) (\(place), \(age))",
        advice: "wait until it is done: 'resloratool plan status \(plan)'")
    }
    let folder = OutputFolder.temporaryPath(of: output).escapedForTerminal
    return .held(
      output: output, by: "the plan \(plan) (\(place), \(age))",
      advice: "finish that first ('resloratool plan status \(plan)'), or remove \(folder)")
  }
}
