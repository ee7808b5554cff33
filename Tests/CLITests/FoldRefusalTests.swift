import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// What `fold` refuses: options that do not go together, and what can't be folded as asked.
@Suite struct FoldRefusalTests {
  typealias Case = FailureTests.Case

  private static let usage: [Case] = [
    Case(2, "name the base: --into BASE", "fold", "adapter"),
    Case(2, "name an adapter", "fold", "--into", "base.safetensors"),
    Case(2, "--scale must be finite", "fold", "adapter", "--scale", "inf"),
    Case(2, "--scale must be finite", "fold", "adapter", "--scale", "nan"),
    Case(2, "The value 'x' is invalid", "fold", "adapter", "--scale", "x"),
    Case(2, "--seed is for --rounding stochastic", "fold", "adapter", "--seed", "1"),
    Case(2, "The value 'up' is invalid", "fold", "adapter", "--rounding", "up"),
    Case(2, "The value 'all' is invalid", "fold", "adapter", "--verify", "all"),
    Case(2, "The value '5 bananas' is invalid", "fold", "adapter", "--max-shard-size", "5 bananas"),
    Case(2, "The value '0' is invalid", "fold", "adapter", "--max-shard-size", "0"),
    Case(2, "The value '-1GB' is invalid", "fold", "adapter", "--max-shard-size=-1GB"),
    Case(
      2, "go with --engine slurm", "fold", "adapter", "--into", "base.safetensors", "--time", "5"),
    Case(2, "go with --engine slurm", "fold", "adapter", "--into", "b", "--engine-dry-run"),
    Case(
      2, "--sbatch-option takes an option", "fold", "adapter", "--into", "base.safetensors",
      "--engine", "slurm", "--sbatch-option", "mem=4G"),
    Case(
      2, "in one line", "fold", "adapter", "--into", "base.safetensors", "--engine", "slurm",
      "--partition", "a\nb"),
    Case(
      2, "--tasks-per-job must be 1 or more", "fold", "adapter", "--into", "base.safetensors",
      "--engine", "slurm", "--tasks-per-job", "0"),
    Case(2, "name the task", "plan", "run", "p"),
    Case(2, "name the task", "plan", "run", "p", "--stage", "fold"),
    Case(2, "it goes with --stage finish", "plan", "run", "p", "--task", "0", "--html", "x"),
    Case(
      2, "a plan is made and nothing folded here", "fold", "adapter", "--into",
      "base.safetensors",
      "--undo", "u", "--plan-out", "p"),
    Case(
      2, "--in-place has no other output", "fold", "adapter", "--into", "base.safetensors",
      "--in-place", "-o", "x"),
    Case(
      2, "--in-place has no other output", "fold", "adapter", "--into", "base.safetensors",
      "--in-place", "--plan-out", "x"),
    Case(
      2, "--undo-from takes a fold back", "fold", "adapter", "--undo-from", "u", "--into",
      "base.safetensors", "-o", "x"),
    Case(2, "goes with --into FOLDED and -o BASE", "fold", "--undo-from", "u"),
    Case(
      2, "leave out other options", "fold", "--undo-from", "u", "--into", "base.safetensors",
      "-o", "x", "--dtype", "f32"),
    Case(
      2, "can't fold in place: the dtype changes", "fold", "adapter", "--into",
      "base.safetensors", "--in-place", "--dtype", "bf16"),
    Case(
      2, "can't fold in place: shards are cut anew", "fold", "adapter", "--into",
      "base.safetensors", "--in-place", "--max-shard-size", "1KB"),
    Case(
      2, "no undo file can be written: the dtype changes", "fold", "adapter", "--into",
      "base.safetensors", "--dtype", "bf16", "--undo", "u"),
    Case(
      2, "is the input", "fold", "adapter", "--into", "base.safetensors", "--undo",
      "base.safetensors", "--force"),
    Case(
      2, "exists already", "fold", "adapter", "--into", "base.safetensors", "--undo",
      "expected.json"),
    Case(
      2, "exists already", "fold", "adapter", "--into", "base.safetensors", "--plan-out",
      "expected.json"),
  ]

  private static let badData: [Case] = [
    Case(3, "nowhere: can't open", "fold", "nowhere", "--into", "base.safetensors"),
    Case(3, "nowhere: can't open", "fold", "adapter", "--into", "nowhere"),
    Case(
      2, "--adapter adapter=x: the weight is no number", "fold", "--adapter", "adapter=x", "--into",
      "base.safetensors"),
    Case(
      2, "--adapter adapter=nan: the weight is no number", "fold", "--adapter", "adapter=nan",
      "--into",
      "base.safetensors"),
    Case(3, "no plan (a plan is a folder)", "plan", "run", "expected.json", "--stage", "finish"),
    Case(3, "no plan (no plan.json in it)", "plan", "status", "adapter"),
    Case(3, "nowhere: no plan is there", "plan", "run", "nowhere", "--task", "0"),
    Case(3, "nowhere: no plan is there", "plan", "status", "nowhere"),
    Case(
      3, "expected.json", "fold", "--undo-from", "expected.json", "--into", "base.safetensors",
      "-o", "x"),
    Case(3, "adapter", "fold", "adapter", "--into", "adapter"),
  ]

  @Test(
    "a refusal is one line with its exit status, and creates nothing", arguments: usage + badData)
  func refusals(_ test: Case) throws {
    let folder = try basic()
    let before = folder.entries
    let outcome = try Tool.run(test.arguments, in: folder.path)
    #expect(outcome.status == test.status, "\(outcome.error)")
    #expect(!outcome.isSignal)
    #expect(outcome.output.isEmpty)
    #expect(outcome.error.hasPrefix("error: "))
    #expect(outcome.error.contains(test.message), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
    #expect(folder.entries == before)
  }

  @Test("the end of a plan before its tasks is a check that failed")
  func early() throws {
    let folder = try basic()
    try succeed(
      [
        "fold", "adapter", "--into", "base.safetensors", "--plan-out", "p", "-o", "out.safetensors",
      ],
      in: folder)
    func run(_ options: String...) throws -> Program.Outcome {
      try Tool.run(["plan", "run", "p"] + options, in: folder.path)
    }
    let early = try run("--stage", "finish")
    #expect(early.status == 1)
    #expect(early.error == "error: tasks 0 to 2 must run before this one\n")
    let missing = try run("--stage", "fold", "--task", "0")
    #expect(missing.status == 1)
    #expect(missing.error == "error: task 2: task 1 must run before this one\n")
    let none = try run("--task", "7")
    #expect(none.status == 2)
    #expect(none.error.contains("no task of that number (found 7, expected 0 to 3)"))
    let stage = try run("--stage", "gram", "--task", "0")
    #expect(stage.status == 2)
    #expect(stage.error.contains("(found gram, expected statistics, combine, fold, finish)"))
    let auto = try run("--task", "auto")
    #expect(auto.status == 2)
    #expect(auto.error.contains("SLURM_ARRAY_TASK_ID"))
    let status = try Tool.run(["plan", "status", "p"], in: folder.path)
    #expect(status.status == 1)
    #expect(status.output.contains("failed"))
    let retry = try Tool.run(["plan", "status", "p", "--retry"], in: folder.path)
    #expect(retry.status == 2)
    #expect(retry.error.contains("p: was not given to Slurm"))
  }

  @Test("a plan whose base changed is bad data, and says what to do")
  func changed() throws {
    let folder = try basic()
    try succeed(
      [
        "fold", "adapter", "--method", "none", "--into", "base.safetensors", "--plan-out", "p",
      ], in: folder)
    try FileSystem.write(
      FileSystem.contents(folder.file("base.safetensors")), to: folder.file("base.safetensors"))
    let outcome = try Tool.run(["plan", "run", "p", "--task", "0"], in: folder.path)
    #expect(outcome.status == 3)
    #expect(
      outcome.error
        == "error: p: the base's 'base.safetensors' (size, time or header) changed since the plan was "
        + "made; remove it and make it again with --plan-out\n")
  }

  @Test("a path with an equals sign and no number after it is a path")
  func equalsSign() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/plain"))
    try FileSystem.link(folder.file("a=b"), to: "adapter")
    try succeed(
      ["fold", "--adapter", "a=b", "--into", "base.safetensors", "-o", "x.safetensors"], in: folder)
    try succeed(
      ["fold", "--adapter", "a=b=1", "--into", "base.safetensors", "-o", "y.safetensors"],
      in: folder)
    let one = try SafetensorsFile(path: folder.file("x.safetensors"))
    let other = try SafetensorsFile(path: folder.file("y.safetensors"))
    for index in one.tensors.indices {
      #expect(try one.bytes(of: index) == other.bytes(of: index))
    }
  }

  @Test("what is lost to rounding is warned of")
  func lost() throws {
    let folder = try TemporaryFolder(copying: FixtureCase("synthetic/ms-pre2"))
    let outcome = try succeed(
      [
        "fold", "adapter", "--method", "none", "--scale", "1e-6", "--into", "base.safetensors",
        "--json",
      ], in: folder)
    #expect(outcome.error.contains("the delta is lost to rounding in the stored dtype"))
    let json = try outcome.json()
    #expect(json["warnings"]?.array?.isEmpty == false)
    let shares = try #require(json["blocks"]?.array).compactMap {
      $0.object?.double("unchanged_share")
    }
    #expect(shares.contains { $0 > 0.5 })
  }
}
