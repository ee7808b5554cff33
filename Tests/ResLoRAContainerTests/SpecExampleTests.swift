import ByteIO
import FormatTestSupport
import ResLoRAContainer
import Tensors
import TestSupport
import Testing

/// The example of Container §6, read from the page itself.
@Suite struct SpecExampleTests {
  private static let description =
    #"{"format":"reslora-adapter","version":1,"structure":"plain","root":"self","pre_num":-1,"#
    + #""blocks":[{"name":"linear","scaling":0.5,"previous":null}]}"#

  private static let source = try? MemoryTensorSource(
    label: "example",
    tensors: [
      (
        TensorInfo(name: "linear.lora_A", dtype: .f32, shape: [1, 2]),
        Conversion.bytes(from: [1, -2], dtype: .f32)
      ),
      (
        TensorInfo(name: "linear.lora_B", dtype: .f32, shape: [2, 1]),
        Conversion.bytes(from: [0.5, 3], dtype: .f32)
      ),
    ])

  /// The bytes of the listing: lines of an offset, two spaces, bytes, and after two more spaces
  /// what they are.
  static func listing() throws -> [UInt8] {
    let page = try ReadableFile.contents(of: "\(TestFiles.root)/Spec/container.md", limit: 1 << 20)
    let text = String(decoding: page, as: UTF8.self)
    let section = try #require(text.firstRange(of: "\n## 6 ")).upperBound
    var bytes: [UInt8] = []
    for line in text[section...].split(separator: "\n") {
      let columns = line.split(separator: "  ")
      guard columns.count > 1, columns[0].utf8.count == 4,
        let offset = Int(columns[0], radix: 16)
      else { continue }
      #expect(offset == bytes.count, "\(line)")
      for digits in columns[1].split(separator: " ") {
        bytes.append(try #require(UInt8(digits, radix: 16), "\(line)"))
      }
    }
    return bytes
  }

  @Test("the writer gives exactly the listed bytes")
  func writing() throws {
    let folder = TemporaryFolder()
    let path = folder.file("example.reslora")
    let source = try #require(Self.source)
    try ContainerWriter(compression: .none).write(
      description: Self.description, source: source, to: path, replacing: false)
    #expect(try ReadableFile.contents(of: path, limit: 1 << 20) == Self.listing())
  }

  @Test("an independent builder gives exactly the listed bytes")
  func building() throws {
    var builder = ContainerBuilder()
    builder.description = Array(Self.description.utf8)
    builder.tensors = [
      .init(
        "linear.lora_A", shape: [1, 2], raw: Conversion.bytes(from: [1, -2], dtype: .f32)),
      .init(
        "linear.lora_B", shape: [2, 1], raw: Conversion.bytes(from: [0.5, 3], dtype: .f32)),
    ]
    #expect(try builder.bytes == Self.listing())
  }

  @Test("the reader gives the stated values")
  func reading() throws {
    let folder = TemporaryFolder()
    let path = try folder.write(Self.listing(), to: "example.reslora")
    let file = try ContainerFile(path: path)
    #expect(file.description == Self.description)
    #expect(file.tensors == Self.source?.tensors)
    #expect(try file.float64(of: 0) == [1, -2])
    #expect(try file.float64(of: 1) == [0.5, 3])
    #expect(file.storedRange(ofTensor: 0) == 0x100..<0x108)
    #expect(file.storedRange(ofTensor: 1) == 0x140..<0x148)
    #expect(file.ancillaryChunks.isEmpty)
    #expect(try ContainerValidation(of: ReadableFile(path: path)).errors == [])
  }
}
