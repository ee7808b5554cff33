import ByteIO
import FormatTestSupport
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Entries 80 to 90: `.reslora` files.
enum ContainerEntries {
  static let all = headers + chunks + frames + flips + accepted

  private static let name = "x.reslora"

  /// A file that every command refuses for one reason.
  private static func file(
    _ entry: Int, _ title: String, _ reason: String,
    also: [String] = [], _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]
  ) -> HostileCase {
    HostileCase(
      entry, title,
      Opening.adapter(name, into: "w.safetensors").map { .refused($0, "\(name): \(reason)") }
        + [.invalid(name, ([reason] + also).map { "\(name): \($0)" })]
    ) { folder in
      try FileSystem.write(bytes(), to: folder.file(name))
      try folder.write(tensors: [TestTensor("q.weight", [32, 32])], to: "w.safetensors")
    }
  }

  private static func container(
    _ entry: Int, _ title: String, _ reason: String, also: [String] = [],
    _ change: @escaping @Sendable (inout ContainerBuilder) -> Void
  ) -> HostileCase { file(entry, title, reason, also: also, ContainerAdapter.changed(change)) }

  private static let unknown =
    "of no format known here, or its beginning is damaged (expected safetensors, .reslora, HDF5, "
    + "a checkpoint of torch.save, or JSON)"

  private static let textMode =
    "damaged by a transfer in text mode, which changed line ends; transfer it as binary "
    + "[Container §2.1]"

  private static let headers = [
    container(80, "bad magic", unknown) { $0.editFile = { $0[0] = 0x88 } },
    container(80, "line ends changed to CR LF", textMode) {
      $0.editFile = { file in
        file = file.flatMap { $0 == 0x0a ? [0x0d, 0x0a] : [$0] }
      }
    },
    container(80, "line ends changed to LF", textMode) {
      $0.editFile = { file in file.removeAll { $0 == 0x0d } }
    },
    container(
      81, "an unknown feature",
      "requires features that this reader does not know (found "
        + "bits 0x1, known are none) [Container §2]"
    ) { $0.editHeader = { $0[16] = 1 } },
  ]

  private static let digestA = "5341e6b2646979a70e57653007a1f310169421ec9bdd9f1a5648f75ade005af1"
  private static let digestB = "21b9ca0f94efa26b229b2d90151c5d0296c3944dc3053a8a28e871d289d50519"

  private static func wrongChecksum(
    _ factor: String, _ found: UInt32, _ expected: UInt32
  ) -> String {
    "tensor 'q.lora_\(factor)': wrong checksum of the tensor \(pair(found, expected)) "
      + "[Container §4.4]"
  }

  private static func wrongDigest(
    _ factor: String, _ found: String, _ expected: String
  ) -> String {
    "tensor 'q.lora_\(factor)': wrong SHA-256 of the tensor "
      + "(found \(found), expected \(expected)) [Container §4.4]"
  }

  private static let chunks = [
    container(
      83, "an unknown critical chunk",
      "chunk 4 (XXXX): chunk type that this reader does not know and has to [Container §3.1]"
    ) { $0.ancillary = [ContainerBuilder.Chunk("XXXX", [1, 2, 3])] },
    container(
      86, "two chunks exchanged", wrongChecksum("A", 0xFB8C_2D28, 0x0D96_8558),
      also: [
        wrongDigest("A", digestB, digestA), wrongChecksum("B", 0x0D96_8558, 0xFB8C_2D28),
        wrongDigest("B", digestA, digestB),
      ]
    ) { $0.editChunks = { $0.swapAt(1, 2) } },
    container(
      86, "a chunk of another file", wrongChecksum("A", 0xD19B_8EC3, 0x0D96_8558),
      also: [
        wrongDigest(
          "A", "8a008a5fca6cac16762abfcc2641c6cdcf82478406871e00f7e86d78884c4192", digestA)
      ]
    ) {
      $0.editChunks = {
        $0[1] = ContainerBuilder.Chunk("DATA", [UInt8](repeating: 7, count: 256))
      }
    },
    container(
      90, "padding that is not zero",
      "\(chunk): byte after the chunk is not zero (at "
        + "byte 319 of the file) [Container §1.1]"
    ) {
      $0.tensors[0].chunks = [
        ContainerBuilder.Chunk(
          "DATA", ContainerAdapter.frame(), compression: 2, shuffle: 4, raw: 256,
          padding: [UInt8](repeating: 0, count: 52) + [1])
      ]
    },
  ]

  private static let chunk = "chunk 1 (DATA): tensor 'q.lora_A'"

  private static let frames = [
    file(
      87, "a frame of another size",
      "\(chunk): bad zstd data: it does not decode to the declared "
        + "256 bytes [Container §3.2]",
      ContainerAdapter.stored(ContainerAdapter.frame(size: [1, 0]))),
    file(
      88, "a window of 2^31",
      "\(chunk): bad zstd data: window too large (found 2147483648 bytes, "
        + "expected at most 16777216) [Container §3.2]",
      ContainerAdapter.stored(ContainerAdapter.frame(descriptor: 0x40, window: [21 << 3]))),
    file(
      89, "a second frame",
      "\(chunk): bad zstd data: 11 stored bytes are left after its end "
        + "[Container §3.2]",
      ContainerAdapter.stored(ContainerAdapter.frame() + ContainerAdapter.frame())),
  ]

  // MARK: Flips

  /// Every byte of the header, and a bit of every chunk and of the directory.
  private static let flips = [
    HostileCase(
      84, "every byte of the header flipped",
      (0..<64).flatMap { offset -> [HostileRun] in
        let line = "flip-\(offset).reslora: \(headerReason(offset))"
        return [
          .refused(["inspect", "flip-\(offset).reslora"], line),
          .refused(["convert", "flip-\(offset).reslora", "out.h5"], line),
        ]
      }
    ) { folder in
      for offset in 0..<64 {
        let bytes = ContainerAdapter.changed { $0.editFile = { $0[offset] ^= 0xff } }
        try FileSystem.write(bytes, to: folder.file("flip-\(offset).reslora"))
      }
    },
    flip("a bit of the description", at: 64 + 3, "chunk 0 (ADPT)", 0x4D3C_3567, 0x0F9E_959F),
    flip("a bit of A", at: 64 + 192 + 9, chunk, 0x8729_FE01, 0x79F4_EE19),
    flip(
      "a bit of B", at: 64 + 192 + 256 + 9, "chunk 2 (DATA): tensor 'q.lora_B'", 0x616B_B5F9,
      0x9FB6_A5E1),
    flip(
      "a bit of the table", at: 64 + 192 + 512 + 9, "chunk 3 (TENS)", 0xBB94_BB0E, 0xC229_A0F6,
      also: [
        "chunk 3 (TENS): wrong identity for the tensors listed "
          + "(found 9e918c5a477d6222507f6e0589df6ea27046411034ffca50e67af60b7b9c73c9, "
          + "expected 9e958c5a477d6222507f6e0589df6ea27046411034ffca50e67af60b7b9c73c9) "
          + "[Container §4.6]"
      ]),
    container(
      85, "a bit of the directory",
      "damaged directory: wrong checksum (found 0xAD67E1F0, expected 0x77001AE3) [Container §2]",
      also: [
        "\(chunk): damaged: wrong checksum (found 0x79F4EE19, expected 0x79F4EA19) [Container §3]"
      ]
    ) { $0.editFile = { $0[64 + 192 + 512 + 256 + 9] ^= 4 } },
  ]

  private static func headerReason(_ offset: Int) -> String {
    if offset < 4 { return unknown }
    if offset < 8 { return textMode }
    var header = Array(ContainerAdapter.builder.bytes[..<64])
    header[offset] ^= 0xff
    let stored = header[60...].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let sums = pair(ContainerBuilder.crc(Array(header[..<60])), stored)
    return "damaged header: wrong checksum \(sums) [Container §2]"
  }

  /// A chunk with one bit of its stored bytes flipped.
  private static func flip(
    _ title: String, at offset: Int, _ chunk: String, _ found: UInt32, _ expected: UInt32,
    also: [String] = []
  ) -> HostileCase {
    container(
      85, title, "\(chunk): damaged: wrong checksum \(pair(found, expected)) [Container §3]",
      also: also
    ) { $0.editFile = { $0[offset] ^= 4 } }
  }

  private static func pair(_ found: UInt32, _ expected: UInt32) -> String {
    func text(_ sum: UInt32) -> String {
      let digits = String(sum, radix: 16, uppercase: true)
      return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
    return "(found \(text(found)), expected \(text(expected)))"
  }

  // MARK: Accepted

  private static let accepted = [
    HostileCase(
      82, "an unknown ancillary chunk is kept",
      [
        .accepted(["validate", name]) {
          #expect(
            $0.output == "\(name): ResLoRA container: "
              + "valid\n")
        },
        .accepted(["convert", name, "out.reslora"], creates: ["out.reslora"]),
        .accepted(["inspect", "--json", "out.reslora"]) { outcome in
          let details = try #require(try outcome.json()["details"]?.object)
          #expect(details["chunk noTe"] == .string("3 bytes, kept"))
        },
      ]
    ) { folder in
      let bytes = ContainerAdapter.changed {
        $0.ancillary = [ContainerBuilder.Chunk("noTe", [1, 2, 3])]
      }
      try FileSystem.write(bytes, to: folder.file(name))
    }
  ]
}
