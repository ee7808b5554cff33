import Adapters
import ByteIO
import Safetensors
import Tensors
import TestSupport
import Testing

/// Every kind of adapter that PEFT 0.21 made and merged (`Fixtures/peft`): base and updates give
/// what its `merge_and_unload` gave.
@Suite struct PEFTUpdatesTests {
  static let cases: [String] =
    (try? Paths.entries(of: TestFiles.fixture("peft")))?.filter { !$0.contains(".") } ?? []

  private func path(_ name: String, _ file: String) -> String {
    TestFiles.fixture("peft/\(name)/\(file)")
  }

  @Test("there are cases") func count() { #expect(PEFTUpdatesTests.cases.count >= 19) }

  @Test("base and updates are what PEFT merged", arguments: cases)
  func merged(_ name: String) throws {
    let adapter = try #require(try AdapterUpdates(path: path(name, "adapter")))
    #expect(adapter.format == "PEFT folder")
    let base = try SafetensorsFile(path: path(name, "base.safetensors"))
    let merged = try SafetensorsFile(path: path(name, "merged.safetensors"))
    let sums = try AppliedUpdates.apply(adapter, to: base)
    var changed = 0
    for (index, info) in merged.tensors.enumerated() {
      let found = try #require(sums[info.name])
      let expected = try merged.float64(of: index)
      #expect(found.count == expected.count)
      // PEFT rounds twice in 16 bits: one unit in the last place.
      let unit =
        switch info.dtype {
        case .bf16: 0x1p-7
        case .f16: 0x1p-10
        default: 1e-5
        }
      let isFine = zip(found, expected).allSatisfy { x, y in
        abs(x - y) <= (info.dtype == .f32 ? unit : unit * max(abs(y), 0x1p-10))
      }
      #expect(isFine, "\(info.name)")
      let original = try #require(base.index(of: info.name))
      if try base.float64(of: original) != expected { changed += 1 }
    }
    #expect(changed == Set(adapter.updates.map { "\($0.module)\($0.parameter)" }).count)
  }
}
