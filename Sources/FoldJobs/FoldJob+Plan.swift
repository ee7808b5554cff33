public import Planning

extension FoldJob {
  /// Opens what a plan names, which `TaskRun` and `PlanStatus` check to be what it was.
  ///
  /// - Throws: `PlanError.notAPlan`; as `FoldJob.init(_:on:)`.
  public init(_ plan: Plan, on machine: FoldMachine) throws {
    guard let request = FoldRequest(plan.request) else {
      throw PlanError.notAPlan(
        path: plan.path, problem: "its request is damaged or of another version")
    }
    try self.init(request, on: machine)
  }
}
