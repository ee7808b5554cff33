@testable import Planning
import Testing

/// What engines say of a task's number (Plans §5).
@Suite struct TaskChoiceTests {
  private func choice(_ environment: [String: String]) throws -> TaskChoice {
    try TaskChoice { environment[$0] }
  }

  @Test("every engine's variables")
  func engines() throws {
    #expect(try choice(["SLURM_ARRAY_TASK_ID": "7", "SLURM_PROCID": "0"]) == .one(number: 7))
    #expect(try choice(["JOB_COMPLETION_INDEX": "12"]) == .one(number: 12))
    #expect(
      try choice(["OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "8", "SLURM_PROCID": "1"])
        == .share(rank: 3, count: 8))
    #expect(
      try choice(["SLURM_PROCID": "1", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "2"])
        == .share(rank: 1, count: 2))
    // The script around the steps is none of its processes.
    #expect(throws: PlanError.noIndex) { try choice(["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]) }
    #expect(throws: PlanError.noIndex) { try choice([:]) }
    for text in ["", "x", "-1", "1.5", "99999999999999999999"] {
      #expect(throws: PlanError.badIndex(variable: "SLURM_ARRAY_TASK_ID", found: text)) {
        try choice(["SLURM_ARRAY_TASK_ID": text])
      }
    }
    #expect(throws: PlanError.badIndex(variable: "OMPI_COMM_WORLD_SIZE", found: "2")) {
      try choice(["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "2"])
    }
  }

  @Test("one task, several at once, shares: every task once")
  func tasks() throws {
    let numbers = 10..<17
    #expect(try TaskChoice.one(number: 6).tasks(of: numbers) == [16])
    #expect(try TaskChoice.one(number: 1).tasks(of: numbers, several: 5) == [15, 16])
    for count in 1...9 {
      let shares = try (0..<count).flatMap { rank in
        try TaskChoice.share(rank: rank, count: count).tasks(of: numbers)
      }
      #expect(shares.sorted() == Array(numbers))
    }
    #expect(try TaskChoice.share(rank: .max - 1, count: .max).tasks(of: numbers).isEmpty)
    for (number, several, count) in [(7, 1, 7), (2, 5, 2), (-1, 1, 7), (Int.max, 2, 4)] {
      #expect(throws: PlanError.noTask(found: number, count: count)) {
        try TaskChoice.one(number: number).tasks(of: numbers, several: several)
      }
    }
  }
}
