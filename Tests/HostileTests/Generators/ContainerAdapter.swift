import FormatTestSupport

/// A `.reslora` adapter of one block `q`, made byte by byte and changed where a case says so.
enum ContainerAdapter {
  /// A of zeros, F32 [2, 32], in one chunk; B of [32, 2].
  static var builder: ContainerBuilder {
    var builder = ContainerBuilder()
    builder.description = Array(
      #"""
      {"format": "reslora-adapter", "version": 1, "structure": "is", "root": "none", "pre_num": -1, \#
      "blocks": [{"name": "q", "scaling": 1, "previous": null}]}
      """#.utf8)
    builder.tensors = [
      ContainerBuilder.Tensor(
        "q.lora_A", shape: [2, 32], raw: [UInt8](repeating: 0, count: 256)),
      ContainerBuilder.Tensor(
        "q.lora_B", shape: [32, 2], raw: (0..<64).flatMap { little(Float($0).bitPattern) }),
    ]
    return builder
  }

  static func changed(_ change: (inout ContainerBuilder) -> Void) -> [UInt8] {
    var builder = builder
    change(&builder)
    return builder.bytes
  }

  /// A's chunk as a zstd frame, or something like one.
  static func stored(_ frame: [UInt8]) -> [UInt8] {
    changed {
      $0.tensors[0].chunks = [
        ContainerBuilder.Chunk("DATA", frame, compression: 2, shuffle: 4, raw: 256)
      ]
    }
  }

  /// A frame of 256 zeros in one block that repeats a byte, with the parts of its header.
  static func frame(
    descriptor: UInt8 = 0x60, window: [UInt8] = [], size: [UInt8] = [0, 0]
  ) -> [UInt8] {
    [0x28, 0xB5, 0x2F, 0xFD, descriptor] + window + size
      + ContainerBuilder.number(256 << 3 | 3, 3) + [0]
  }
}
