import ByteIO
import FoldJobs
import Folding
import LoRATestSupport
import Safetensors
import Synchronization
import Tensors
import TestSupport
import Testing

/// Folds into the base itself (In place §1).
@Suite struct JobInPlaceTests {
  private func request(_ made: JobCase, _ base: String? = nil) -> FoldRequest {
    var request = made.request()
    request.base = base ?? made.base
    request.output = request.base
    request.recordsProvenance = false
    return request
  }

  private func run(
    _ request: FoldRequest, undo: String? = nil,
    progress: @escaping @Sendable (FoldProgress) throws -> Void = { _ in }
  ) throws -> FoldJobResult {
    var result: FoldJobResult?
    try FoldJob(request, on: JobCase.machine).runInPlace(
      undo: undo, command: "resloratool fold", on: JobCase.machine, progress: progress
    ) { result = $0 }
    return try #require(result)
  }

  /// What a fold into another folder gives.
  private func expected(_ made: JobCase) throws -> JobCase.Files {
    var request = made.request("expected")
    request.recordsProvenance = false
    try made.run(request)
    return try made.files("expected").filter { $0.key.hasSuffix(".safetensors") }
  }

  @Test("shards become what a fold elsewhere gives, all else stays", arguments: [1, 3])
  func shards(_ count: Int) throws {
    let made = try JobCase(shards: count)
    try made.adapter()
    let (before, wanted) = (try made.files("base"), try expected(made))
    let result = try run(request(made))
    let after = try made.files("base")
    #expect(after.filter { $0.key.hasSuffix(".safetensors") } == wanted)
    for name in before.keys where wanted[name] == nil { #expect(after[name] == before[name]) }
    #expect(result.report.blocks.count == 12)
    #expect(Set(after.keys) == Set(before.keys))
    #expect(!made.folder.entries.contains { $0.contains("journal") })
  }

  @Test("one file, and an undo file that takes it back")
  func oneFile() throws {
    let made = try JobCase(shards: 1)
    try made.adapter()
    let wanted = try #require(try expected(made).values.first)
    let path = Paths.join(made.base, "model-00001-of-00001.safetensors")
    let original = try FileSystem.contents(path)
    let undo = made.folder.file("undo")
    _ = try run(request(made, path), undo: undo)
    #expect(try FileSystem.contents(path) == wanted)
    let back = made.folder.file("back.safetensors")
    try UnfoldJob(undo: undo, folded: path)
      .run(to: back, replacing: false, on: JobCase.machine)
    #expect(try FileSystem.contents(back) == original)
  }

  @Test("what can't be done in place is refused, and leaves the base alone")
  func refusals() throws {
    let made = try JobCase()
    try made.adapter()
    func why(_ change: (inout FoldRequest) -> Void) throws -> FoldJobError? {
      var request = request(made)
      change(&request)
      return #expect(throws: FoldJobError.self) { try run(request) }
    }
    let before = try made.files("base")
    #expect(try why { $0.dtype = .f32 } == .notInPlace("the dtype changes"))
    #expect(
      try why { $0.maximumShardBytes = 4000 } == .notInPlace("shards are cut anew"))
    // Magnitudes of an embedding lie along its columns.
    let name = "base_model.model.layers.0.q"
    try made.folder.write(
      tensors: [
        TestTensor(TensorName("\(name).lora_embedding_A"), [2, 24]),
        TestTensor(TensorName("\(name).lora_embedding_B"), [40, 2]),
        TestTensor(TensorName("\(name).lora_magnitude_vector"), [40]),
      ], to: "adapter/adapter_model.safetensors")
    try made.folder.write(
      text: PEFTTestFolder.config.changed(["use_dora": "true"]).text,
      to: "adapter/adapter_config.json")
    #expect(
      try why { _ in } == .notInPlace("DoRA by columns looks at whole weights"))
    #expect(try made.files("base") == before)
    #expect(!made.folder.entries.contains { $0.contains("journal") })
  }

  @Test("weights that are not finite are refused before anything is overwritten")
  func nonFinite() throws {
    let made = try JobCase(shards: 1)
    try made.adapter()
    let path = Paths.join(made.base, "model-00001-of-00001.safetensors")
    let file = try SafetensorsFile(path: path)
    let index = try #require(file.index(of: "layers.5.v.weight"))
    let place = file.location(of: index).offset
    try FileSystem.overwrite(path, at: place, with: [0xc0, 0x7f])
    let before = try made.files("base")
    let undo = made.folder.file("undo")
    #expect(throws: FoldError.self) { try run(request(made), undo: undo) }
    #expect(try made.files("base") == before)
    #expect(!made.folder.entries.contains { $0.contains("journal") || $0.contains("undo") })
  }

  @Test("an error on the way puts the base back")
  func stopped() throws {
    struct Stop: Error {}
    let made = try JobCase()
    try made.adapter()
    let before = try made.files("base")
    let calls = Mutex(0)
    for limit in [1, 13, 20] {
      calls.withLock { $0 = 0 }
      #expect(throws: Stop.self) {
        _ = try run(request(made)) { _ in
          if calls.withLock({
            $0 += 1; return $0
          }) == limit {
            throw Stop()
          }
        }
      }
      #expect(try made.files("base") == before, "\(limit)")
      #expect(try !FoldJob.isPending(inPlace: made.base))
    }
  }

  @Test("a fold in place that was killed is refused elsewhere, and finished by the same job")
  func resumed() throws {
    let made = try JobCase()
    try made.adapter()
    try made.adapter("other", seed: 7)
    let wanted = try expected(made)
    let names = try made.files("base").keys.filter { $0.hasSuffix(".safetensors") }
    let journal = "\(made.base).fold-journal"
    // The disk as a kill in the middle of overwriting leaves it.
    let snapshot = Mutex<(journal: [UInt8], files: JobCase.Files)?>(nil)
    let pieces = Mutex(0)
    _ = try run(request(made)) { _ in
      guard try Paths.kind(of: journal) == .file else { return }
      guard
        pieces.withLock({
          $0 += 1; return $0
        }) == 5
      else { return }
      let state = (
        try FileSystem.contents(journal),
        Dictionary(
          uniqueKeysWithValues: try names.map {
            ($0, try FileSystem.contents(Paths.join(made.base, $0)))
          })
      )
      snapshot.withLock { $0 = state }
    }
    let state = try #require(snapshot.withLock { $0 })
    #expect(state.files != wanted)
    try FileSystem.write(state.journal, to: journal)
    for (name, bytes) in state.files {
      try FileSystem.write(bytes, to: Paths.join(made.base, name))
    }
    #expect(try FoldJob.isPending(inPlace: made.base))
    #expect(throws: InPlaceError.self) { try FoldJob.checkNotPending([made.base]) }
    // Another fold is refused, with the command that finishes this one.
    var other = request(made)
    other.adapters[0].path = made.folder.file("other")
    let error = #expect(throws: InPlaceError.self) { try run(other) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("resloratool fold"))
    let result = try run(request(made))
    #expect(result.report.blocks.count == 12)
    #expect(try made.files("base").filter { wanted[$0.key] != nil } == wanted)
    #expect(try !FoldJob.isPending(inPlace: made.base))
  }

  @Test("a row that no journal can hold is refused before anything is there")
  func longRow() throws {
    let folder = TemporaryFolder()
    let columns = 17 << 20
    let info = try TensorInfo(name: "w.weight", dtype: .f32, shape: [1, columns])
    try SafetensorsWriter.write(
      MemoryTensorSource(
        label: "base", tensors: [(info, [UInt8](repeating: 0, count: info.byteCount))]),
      metadata: [], to: folder.file("base.safetensors"), replacing: false)
    _ = folder.folder("lora")
    try folder.write(
      tensors: [
        TestTensor(
          "w.lora_A.weight", [1, columns], values: [Double](repeating: 1, count: columns)),
        TestTensor("w.lora_B.weight", [1, 1], values: [1]),
      ], to: "lora/adapter_model.safetensors")
    try folder.write(
      text: PEFTTestFolder.config.changed(["r": "1"]).text, to: "lora/adapter_config.json")
    var request = FoldRequest(
      adapters: [.init(path: folder.file("lora"))], base: folder.file("base.safetensors"),
      output: folder.file("base.safetensors"))
    request.recordsProvenance = false
    #expect(throws: FoldJobError.notInPlace("a row of a weight has more than 64 MiB")) {
      try run(request)
    }
    #expect(!folder.entries.contains { $0.hasSuffix(".fold-journal") })
  }

  @Test("a fold that was done before is noticed by its undo file, which stays as it is")
  func repeated() throws {
    let made = try JobCase()
    try made.adapter()
    let undo = made.folder.file("x.undo")
    var request = request(made)
    request.replacing = true
    _ = try run(request, undo: undo)
    let (folded, kept) = (try made.files("base"), try FileSystem.contents(undo))
    #expect(throws: FoldJobError.undoExists(path: undo)) { try run(request, undo: undo) }
    #expect(try made.files("base") == folded)
    #expect(try FileSystem.contents(undo) == kept)
  }
}
