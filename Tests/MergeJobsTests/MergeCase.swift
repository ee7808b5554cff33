import Activations
import Adapters
import ByteIO
import FoldJobs
import MergeJobs
import Merging
import Safetensors
import Tensors
import TestSupport
import Testing

/// A merge of a fixture's adapter, in a folder of its own.
struct MergeCase {
  let fixture: FixtureCase
  let folder = TemporaryFolder()
  var request: MergeRequest

  static let machine = FoldMachine(threads: 2)

  /// A folder for what a plan notes.
  var plan: String { folder.folder("plan") }

  /// A fixture with copies of everything in the folder.
  ///
  /// - Parameters:
  ///   - tokens: how many of the calibration tokens count.
  ///   - files: in how many files these are.
  init(
    _ fixture: FixtureCase, tokens: Int? = nil, penalty: Double? = nil, hasBase: Bool = true,
    files: Int = 1
  ) throws {
    self.fixture = fixture
    // Calibration and held-out tokens together: 352, enough for the primal form.
    for (position, part) in ["calibration", "heldout"].enumerated() {
      _ = folder.folder("parts")
      try folder.write(
        ReadableFile.contents(
          of: fixture.path("activations-\(part).safetensors"), limit: 1 << 24),
        to: "parts/\(position)")
    }
    let path = folder.file("activations.safetensors")
    try ActivationFile(path: folder.file("parts")).write(to: path, .safetensors, replacing: false)
    var calibration = FoldRequest.CalibrationChoice(path: path, tokens: tokens, penalty: penalty)
    if files > 1 {
      calibration.path = folder.folder("several")
      try MergeCase.split(path, into: files, calibration.path)
    }
    request = MergeRequest(
      adapter: fixture.adapterPath, calibration: calibration, output: folder.file("out"))
    request.method = "calibrated"
    request.base = hasBase ? fixture.basePath : nil
    request.stated.windows = fixture.windowsPath
  }

  /// Cuts a file of activations into several, of unequal numbers of tokens.
  static func split(_ path: String, into count: Int, _ folder: String) throws {
    let file = try SafetensorsFile(path: path)
    let tokens = file.tensors[0].shape[0]
    for part in 0..<count {
      func start(_ part: Int) -> Int { tokens * part * part / (count * count) }
      let rows = start(part)..<start(part + 1)
      let source = MemoryTensorSource(
        label: "part",
        tensors: try file.tensors.enumerated().map { index, info in
          let rowBytes = info.shape[1] * info.dtype.elementByteCount
          return (
            try TensorInfo(name: info.name, dtype: info.dtype, shape: [rows.count, info.shape[1]]),
            try file.bytes(
              of: index, range: (rows.lowerBound * rowBytes)..<(rows.upperBound * rowBytes))
          )
        })
      try SafetensorsWriter.write(
        source, metadata: file.header.metadata, to: "\(folder)/part-\(part).safetensors",
        replacing: true)
    }
  }

  func job(threads: Int = 2) throws -> MergeJob {
    try MergeJob(request, on: FoldMachine(threads: threads))
  }

  /// What `merge` on one machine gives, written beside.
  func merged(_ name: String = "expected") throws -> (Merge.Result, files: [String: [UInt8]]) {
    let adapter = try Adapter(
      path: request.adapter,
      overrides: AdapterOverrides(
        windows: try request.stated.windows.map { try WindowsFile(path: $0) }))
    let captured = try CapturedInputs(
      ActivationFile(path: folder.file("activations.safetensors")), for: adapter,
      tokens: request.calibration.tokens)
    let result = try Merge(
      method: "calibrated",
      inputs: MergeInputs(
        base: try request.base.map { try BaseCheckpoint(path: $0).source },
        calibration: Calibration(captured, penalty: request.calibration.penalty), threads: 2),
      truncation: request.truncation
    ).run(adapter)
    let format = try #require(AdapterOutputFormat(identifier: request.format))
    try format.write(
      AdapterFileContent(
        result.lora, provenance: Provenance(baseModel: adapter.provenance.baseModel),
        dtype: request.dtype), to: folder.file(name))
    return (result, try files(name))
  }

  /// All files of an output by name, or the one that it is.
  func files(_ name: String) throws -> [String: [UInt8]] {
    let path = folder.file(name)
    guard try Paths.kind(of: path) == .folder else {
      return ["": try FileSystem.contents(path)]
    }
    return Dictionary(
      uniqueKeysWithValues: try Paths.entries(of: path).map {
        ($0, try FileSystem.contents(Paths.join(path, $0)))
      })
  }

  /// Runs tasks by their numbers, each from a job that is opened anew.
  func run(_ numbers: some Sequence<Int>, threads: Int = 2) throws {
    for number in numbers {
      #expect(
        try job(threads: threads).run(
          task: number, of: plan, on: FoldMachine(threads: threads)))
    }
  }

  /// The path of a task's result.
  func path(of name: String) -> String { folder.file(".out.partial/\(name)") }

  /// Whether figures are the same to the bit.
  static func areSame(_ found: Merge.Result, _ expected: Merge.Result) -> Bool {
    found.method == expected.method && found.reason == expected.reason
      && found.warnings == expected.warnings
      && found.blocks.count == expected.blocks.count
      && zip(found.blocks, expected.blocks).allSatisfy { one, other in
        one.alpha == other.alpha && one.norm == other.norm && one.rank == other.rank
          && one.deltaNorm == other.deltaNorm && one.foldedNorm == other.foldedNorm
          && one.fit == other.fit && one.truncation == other.truncation
      }
  }
}
