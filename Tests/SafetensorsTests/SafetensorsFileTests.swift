import ByteIO
import FormatTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// Reading tensors of an open file.
@Suite struct SafetensorsFileTests {
  private let content =
    TestHeader.file(
      "{\(TestHeader.entry("a", dtype: "U8", shape: "[3]", offsets: "[0,3]")),"
        + "\(TestHeader.entry("b", dtype: "BF16", shape: "[1,2]", offsets: "[3,7]"))}")
    + [1, 2, 3, 0x80, 0x3f, 0, 0xc0]

  @Test("tensors are read whole, in pieces, and as numbers, at any alignment")
  func reading() throws {
    let file = try TestHeader.open(content)
    #expect(file.size == content.count)
    #expect(try file.bytes(of: 0) == [1, 2, 3])
    #expect(try file.float64(of: 0) == [1, 2, 3])
    #expect(try file.float64(of: 1) == [1, -2])
    var middle = [UInt8](repeating: 0, count: 2)
    try middle.withUnsafeMutableBytes { try file.read(tensor: 1, at: 1, into: $0) }
    #expect(middle == [0x3f, 0])
    let (readable, offset) = file.location(of: 1)
    #expect(offset == content.count - 4)
    #expect(try readable.bytes(at: offset, count: 4) == [0x80, 0x3f, 0, 0xc0])
  }

  @Test("a file that is shortened after it was opened is reported, not read")
  func shortened() throws {
    let folder = TemporaryFolder()
    let path = try folder.write(content, to: "x.safetensors")
    let file = try SafetensorsFile(path: path)
    try FileSystem.truncate(path, to: content.count - 3)
    #expect(try file.bytes(of: 0) == [1, 2, 3])
    #expect(
      throws: FileError.endedEarly(path: path, offset: content.count - 3, missing: 3)
    ) { try file.bytes(of: 1) }
  }

  @Test("what is no regular file", arguments: ["folder", "fifo"])
  func notRegular(_ kind: String) throws {
    let folder = TemporaryFolder()
    let path = folder.file("x.safetensors")
    if kind == "fifo" { try FileSystem.makeFIFO(path) } else { _ = folder.folder("x.safetensors") }
    #expect(throws: FileError.notARegularFile(path: path)) { try SafetensorsFile(path: path) }
  }

  @Test("seeded damage to a header's bytes is refused or leaves every tensor in the file")
  func damage() throws {
    var generator = SeededGenerator(seed: 26)
    let folder = TemporaryFolder()
    for _ in 0..<500 {
      var bytes = content
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let position = Int.random(in: 0..<(content.count - 7), using: &generator)
        bytes[position] = UInt8.random(in: 0...255, using: &generator)
      }
      let path = try folder.write(bytes, to: "damaged.safetensors")
      do {
        let file = try SafetensorsFile(path: path)
        #expect(file.tensors.reduce(0) { $0 + $1.byteCount } == 7)
        for index in file.tensors.indices {
          #expect(try file.bytes(of: index).count == file.tensors[index].byteCount)
        }
      } catch is SafetensorsError {
        continue
      }
    }
  }
}
