import ByteIO
import Foundation
import TestSupport
import Testing

/// `plan run`, `plan status`, and what is given to a cluster; a real one is in Tests/Slurm.
@Suite struct PlanTests {
  private static let fold = [
    "fold", "adapter", "--method", "bw", "--into", "base.safetensors", "-o", "out.safetensors",
  ]

  private func run(
    _ arguments: [String], _ environment: [String: String] = [:], in folder: TemporaryFolder
  ) throws -> Tool.Outcome {
    try Tool.run(arguments, in: folder.path, environment: environment)
  }

  @Test(
    "processes of an engine share a merge's tasks; the report and the files are those of one run")
  func merge() throws {
    let folder = try basic()
    let merge = [
      "merge", "adapter", "--base", "base.safetensors", "--method", "calibrated", "--calibration",
      "activations-calibration.safetensors",
    ]
    let alone = try succeed(merge + ["-o", "alone", "--json"], in: folder).json()
    let plan = try succeed(merge + ["-o", "out", "--plan-out", "p", "--json"], in: folder).json()
    #expect(plan["plan"]?.string == "p")
    let stages = try succeed(["plan", "status", "p", "--json"], in: folder).json()
      .objects("stages").compactMap { $0["stage"]?.string }
    #expect(stages.first == "statistics" && stages.suffix(2) == ["fit", "finish"])
    for stage in stages.dropLast() {
      for rank in 0..<3 {
        let outcome = try run(
          ["plan", "run", "p", "--stage", stage, "--task", "auto"],
          ["OMPI_COMM_WORLD_RANK": "\(rank)", "OMPI_COMM_WORLD_SIZE": "3"], in: folder)
        #expect(outcome.status == 0, "\(outcome.error)")
      }
    }
    #expect(try !succeed(["plan", "status", "p", "--json"], in: folder).json()["finished"]!.bool!)
    let end = try succeed(
      ["plan", "run", "p", "--stage", "finish", "--html", "page.html", "--json"], in: folder
    ).json()
    #expect(end["blocks"] == alone["blocks"])
    #expect(folder.entries.contains("page.html"))
    for name in ["adapter_model.safetensors", "adapter_config.json"] {
      #expect(
        try FileSystem.contents(folder.file("out/\(name)"))
          == FileSystem.contents(folder.file("alone/\(name)")))
    }
    let status = try succeed(["plan", "status", "p", "--json"], in: folder).json()
    #expect(status["finished"]?.bool == true)
    #expect(status.integer("bytes_done") == status.integer("bytes_total"))
  }

  @Test("what is no merge for tasks is refused before anything is written")
  func merges() throws {
    let folder = try basic()
    let before = folder.entries
    let calibration = ["--calibration", "activations-calibration.safetensors"]
    for (options, message) in [
      ([], "name --calibration FILE"), (["--method", "ls"] + calibration, "for method calibrated"),
      (calibration + ["--compat", "lmops"], "without --compat"),
      (calibration + ["--dry-run"], "leave out --html"),
    ] {
      let outcome = try run(
        ["merge", "adapter", "-o", "m", "--plan-out", "p"] + options, in: folder)
      #expect(outcome.status == 2)
      #expect(outcome.error.contains(message), "\(outcome.error)")
      #expect(folder.entries == before)
    }
  }

  @Test("no cluster where it is asked for: nothing is written")
  func noCluster() throws {
    let folder = try basic()
    let before = folder.entries
    let outcome = try run(
      PlanTests.fold + ["--engine", "slurm"], ["PATH": "/nowhere"], in: folder)
    #expect(outcome.status == 4)
    #expect(outcome.error.hasPrefix("error: sbatch: not found; "))
    #expect(folder.entries == before)
  }

  /// A folder of programs that stand for Slurm's: `sbatch` notes what it is given, counts, and fails
  /// from the `failing`-th on; `squeue` prints the file `queue`.
  private func cluster(failing: Int = 99, in folder: TemporaryFolder) throws -> [String: String] {
    let bin = folder.folder("bin")
    func program(_ name: String, _ text: String) throws {
      try folder.write(Array("#!/bin/sh\n\(text)\n".utf8), to: "bin/\(name)")
      try FileSystem.setMode(0o755, of: "\(bin)/\(name)")
    }
    try program(
      "sbatch",
      """
      [ "$1" = --version ] && exit 0
      echo "$@" >> "\(bin)/calls"
      number=$(wc -l < "\(bin)/calls")
      [ "$number" -lt \(failing) ] || { echo "no such partition" >&2; exit 1; }
      echo "sbatch: this is charged to somebody" >&2
      echo "$((100 + number));main"
      """)
    try program("scancel", "echo scancel \"$@\" >> \"\(bin)/calls\"")
    try program("squeue", "cat \"\(bin)/queue\" 2>/dev/null || true")
    return ["PATH": "\(bin):/usr/bin:/bin"]
  }

  private func calls(_ folder: TemporaryFolder) throws -> [String] {
    String(decoding: try FileSystem.contents(folder.file("bin/calls")), as: UTF8.self)
      .split(separator: "\n").map { String($0.replacing(#//[^ ]*\//#, with: "")) }
  }

  @Test("every stage waits for the one before it; what is missing goes again, and what follows it")
  func submitting() throws {
    let folder = try basic()
    let environment = try cluster(in: folder)
    let outcome = try run(
      PlanTests.fold + ["--engine", "slurm", "--json"], environment, in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(
      try outcome.json()["jobs"]?.array?.compactMap { $0.object?["job"]?.string }
        == ["101", "102", "103", "104"])
    #expect(
      try calls(folder) == [
        "--parsable --array=0-0 statistics.sh",
        "--parsable --array=0-0 --dependency=afterok:101 --kill-on-invalid-dep=yes combine.sh",
        "--parsable --array=0-0 --dependency=afterok:102 --kill-on-invalid-dep=yes fold.sh",
        "--parsable --array=0-0 --dependency=afterok:103 --kill-on-invalid-dep=yes finish.sh",
      ])
    // Of 101 nothing is heard any more, 104 waits; a number that was given again is another's.
    try folder.write(
      Array(
        "104 0 resloratool-finish-out.safetensors.plan\n103 0 other\n".utf8), to: "bin/queue")
    let plan = "out.safetensors.plan"
    let status = try run(["plan", "status", plan, "--json"], environment, in: folder)
    #expect(status.status == 0)
    #expect(try status.json()["missing"]?.array?.compactMap { $0.number?.integer } == [0, 1, 2])
    let retry = try run(["plan", "status", plan, "--retry", "--json"], environment, in: folder)
    #expect(retry.status == 0, "\(retry.error)")
    #expect(
      try retry.json()["resubmitted"]?.array?.compactMap { $0.number?.integer } == [0, 1, 2, 3])
    #expect(
      try calls(folder).dropFirst(4) == [
        "scancel 104",
        "--parsable --array=0-0 statistics.sh",
        "--parsable --array=0-0 --dependency=afterok:106 --kill-on-invalid-dep=yes combine.sh",
        "--parsable --array=0-0 --dependency=afterok:107 --kill-on-invalid-dep=yes fold.sh",
        "--parsable --array=0-0 --dependency=afterok:108 --kill-on-invalid-dep=yes finish.sh",
      ])
  }

  @Test(
    "where the cluster refuses a stage, those before it are cancelled, and no plan is in the way")
  func refused() throws {
    let folder = try basic()
    let environment = try cluster(failing: 3, in: folder)
    let before = folder.entries
    let outcome = try run(PlanTests.fold + ["--engine", "slurm"], environment, in: folder)
    #expect(outcome.status == 4)
    #expect(outcome.error.hasPrefix("error: sbatch failed: no such partition"))
    #expect(try calls(folder).last == "scancel 101 102")
    #expect(folder.entries == before)
  }

  @Test("where the cluster refuses all, no plan is left in the way of another try")
  func refusedAtOnce() throws {
    let folder = try basic()
    let environment = try cluster(failing: 1, in: folder)
    let before = folder.entries
    let outcome = try run(PlanTests.fold + ["--engine", "slurm"], environment, in: folder)
    #expect(outcome.status == 4)
    #expect(folder.entries == before)
  }

  @Test("what is missing of a later stage waits for what still runs of an earlier one")
  func retryBehind() throws {
    let folder = try basic()
    let environment = try cluster(in: folder)
    let plan = "out.safetensors.plan"
    try #require(run(PlanTests.fold + ["--engine", "slurm"], environment, in: folder).status == 0)
    try folder.write(
      Array("101 0 resloratool-statistics-\(plan)\n101 7 resloratool-statistics-\(plan)\n".utf8),
      to: "bin/queue")
    let retry = try run(["plan", "status", plan, "--retry", "--json"], environment, in: folder)
    #expect(
      try retry.json()["resubmitted"]?.array?.compactMap { $0.number?.integer } == [1, 2, 3])
    #expect(
      try calls(folder)[4]
        == "--parsable --array=0-0 --dependency=afterok:101 --kill-on-invalid-dep=yes combine.sh")
  }

  @Test("a cluster that does not answer is no reason not to tell what is known")
  func silent() throws {
    let folder = try basic()
    let environment = try cluster(in: folder)
    try #require(run(PlanTests.fold + ["--engine", "slurm"], environment, in: folder).status == 0)
    try folder.write(
      Array("#!/bin/sh\necho 'controller is down' >&2; exit 1\n".utf8), to: "bin/squeue")
    let status = try run(["plan", "status", "out.safetensors.plan"], environment, in: folder)
    #expect(status.status == 0)
    #expect(status.error.hasPrefix("warning: squeue failed: controller is down"))
  }

  @Test("--follow ends when the output is there, or nothing more will come")
  func following() throws {
    let folder = try basic()
    try succeed(PlanTests.fold + ["--plan-out", "p"], in: folder)
    let follower = try Tool.start(["plan", "status", "p", "--follow", "--json"], in: folder.path)
    for task in 0..<4 { try succeed(["plan", "run", "p", "--task", "\(task)"], in: folder) }
    let outcome = try follower.wait()
    #expect(outcome.status == 0)
    #expect(try outcome.json()["finished"]?.bool == true)
  }

  @Test("an output that something else made is not taken for the plan's")
  func foreignOutput() throws {
    let folder = try basic()
    let fold = PlanTests.fold + ["--no-provenance"]
    try succeed(fold + ["--plan-out", "p"], in: folder)
    try succeed(fold + ["--scale", "2"], in: folder)
    for arguments in [
      ["run", "p", "--stage", "finish"], ["run", "p", "--task", "0"], ["status", "p"],
    ] {
      let outcome = try run(["plan"] + arguments, in: folder)
      #expect(outcome.status == 2)
      #expect(outcome.error.contains("is there, and this plan did not make it"))
    }
    // Where it may be replaced, it is, once.
    try succeed(fold + ["--force", "--plan-out", "q"], in: folder)
    for task in 0..<4 { try succeed(["plan", "run", "q", "--task", "\(task)"], in: folder) }
    let bytes = try FileSystem.contents(folder.file("out.safetensors"))
    try succeed(fold + ["--force"], in: folder)
    #expect(try FileSystem.contents(folder.file("out.safetensors")) == bytes)
  }

  @Test("two plans into one output: the second is refused while the first fills it")
  func twoPlans() throws {
    let folder = try basic()
    try succeed(PlanTests.fold + ["--plan-out", "first"], in: folder)
    try succeed(["plan", "run", "first", "--task", "0"], in: folder)
    let other = PlanTests.fold + ["--scale", "2"]
    for options in [["--plan-out", "second"], []] {
      let outcome = try run(other + options, in: folder)
      #expect(outcome.status == 4)
      #expect(outcome.error.contains("is being written by the plan "))
      #expect(outcome.error.contains(folder.file("first")))
    }
    #expect(!folder.entries.contains("second"))
    let merge = try run(
      ["merge", "adapter", "--method", "none", "-o", "out.safetensors"], in: folder)
    #expect(merge.status == 4 && merge.error.contains("is being written by the plan "))
    let inside = try run(
      [
        "merge", "adapter", "-o", "m", "--plan-out", "m", "--calibration",
        "activations-calibration.safetensors",
      ],
      in: folder)
    #expect(inside.status == 2 && inside.error.contains("name another output"))
    let again = try run(PlanTests.fold + ["--plan-out", "first"], in: folder)
    #expect(again.status == 2)
    #expect(again.error.hasPrefix("error: first: exists already; "))
  }
}
