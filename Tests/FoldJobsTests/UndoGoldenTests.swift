import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import FoldJobs

/// Versions §1: undo files of every version are read for ever. `python.undo` was written by
/// `Fixtures/generate_undo.py` from the Spec alone, `swift.undo` by version 1 of `UndoWriter`.
@Suite struct UndoGoldenTests {
  @Test("each gives the base back", arguments: ["python.undo", "swift.undo"])
  func restores(_ name: String) throws {
    let folder = TestFiles.fixture("undo/v1")
    let undo = try UndoFile(path: "\(folder)/\(name)")
    #expect(undo.changed == ["a.weight", "b.weight"])
    let output = TemporaryFolder()
    try Restoration(undo, from: ShardedCheckpoint(folder: "\(folder)/folded"))
      .run(to: output.file("base"), replacing: false, threads: 2)
    let names = try Paths.entries(of: "\(folder)/base")
    #expect(names.count == 3)
    #expect(try Paths.entries(of: output.file("base")) == names)
    for name in names {
      #expect(
        try FileSystem.contents(output.file("base/\(name)"))
          == FileSystem.contents("\(folder)/base/\(name)"))
    }
  }
}
