import ByteIO
import Foundation
import FormatTestSupport
import LoRATestSupport
import TestSupport
import Testing

/// Entries 41 to 54: HDF5 files.
enum HDF5Entries {
  static let all = links + storage + types + whole + crashers

  private static let name = HDF5Adapter.name
  private static let factor = "dataset '/blocks/q/lora_A'"

  /// An adapter that every command refuses for one reason.
  private static func adapter(
    _ entry: Int, _ title: String, _ reason: String, missing: [String] = ["/blocks/q/lora_A"],
    _ change: @escaping HDF5Adapter.Change
  ) -> HostileCase {
    HostileCase(
      entry, title,
      Opening.adapter(name).map { .refused($0, "\(name): \(reason)") }
        + [.invalid(name, ["\(name): \(reason)"])]
    ) { try HDF5Adapter.write(to: $0, missing: missing, change) }
  }

  /// A factor that is something else than an array of numbers.
  private static func factor(
    _ entry: Int, _ title: String, _ kind: String, _ change: @escaping HDF5Adapter.Change
  ) -> HostileCase {
    adapter(entry, title, "\(factor): is not supported: \(kind)", change)
  }

  private static let links = [
    factor(
      41, "an external link", "an external link",
      HDF5Adapter.externalLink("/blocks/q/lora_A", to: "base.safetensors", "/data")),
    factor(
      42, "a soft link", "a soft link",
      HDF5Adapter.softLink("/blocks/q/lora_A", to: "/blocks/q/lora_B")),
    adapter(
      42, "a soft link in the middle of a path",
      "group '/blocks/r': is not supported: a soft link", missing: [],
      HDF5Adapter.softLink("/blocks/r", to: "/blocks/q")),
    factor(
      49, "a second hard link", "a second link to an object that has another one",
      HDF5Adapter.hardLink("/blocks/q/lora_A", to: "/blocks/q/lora_B")),
    adapter(
      49, "a circle of hard links",
      "group '/blocks/up': is not supported: a second link to an object that has another one",
      missing: [], HDF5Adapter.hardLink("/blocks/up", to: "/")),
  ]

  private static let storage = [
    factor(
      43, "bytes that lie in another file", "a dataset whose data lie in another file",
      HDF5Adapter.externalStorage),
    factor(44, "a virtual dataset", "a virtual dataset", HDF5Adapter.copy("virtual")),
    factor(46, "the filter lzf", "the filter 32000 (lzf)", HDF5Adapter.copy("lzf")),
    factor(
      47, "the filter scale-offset", "the filter 6 (scaleoffset)",
      HDF5Adapter.copy("scale-offset")),
  ]

  private static let types = [
    factor(50, "a compound type", "a compound type", HDF5Adapter.copy("compound")),
    factor(50, "variable length", "variable-length data", HDF5Adapter.copy("ragged")),
    factor(50, "references", "references", HDF5Adapter.copy("reference")),
    factor(50, "an enumeration", "an enumeration", HDF5Adapter.copy("enumeration")),
    factor(50, "opaque data", "opaque data", HDF5Adapter.copy("opaque")),
    factor(50, "integers", "integers of 8 bytes", HDF5Adapter.copy("integers")),
    HostileCase(
      51, "the other byte order is converted",
      [
        .accepted(["convert", name, "out.safetensors"], creates: ["out.safetensors"]),
        .accepted(["diff", "out.safetensors", "little.h5"]),
        .accepted(["validate", name]) { #expect($0.output == "\(name): ResLoRA HDF5: valid\n") },
      ]
    ) { folder in
      try HDF5Adapter.write(to: folder, HDF5Adapter.bigEndian)
      try HDF5Adapter.sketch.write(to: folder.file("little.h5"))
    },
  ]

  // MARK: Files as a whole

  private static let whole =
    [
      adapter(
        45, "a shape that promises terabytes",
        "\(factor): most of it was never written "
          + "(found 8796093022208 bytes of that, expected at most 67108864)",
        missing: ["/blocks/q/lora_A", "/blocks/q/lora_B"], HDF5Adapter.bomb(in: 1 << 40, rank: 2)),
      adapter(
        45, "a shape of half a gigabyte that is nowhere",
        "\(factor): most of it was never written "
          + "(found 536870912 bytes of that, expected at most 67108864)",
        missing: ["/blocks/q/lora_A", "/blocks/q/lora_B"], HDF5Adapter.bomb(in: 1 << 26, rank: 2)),
      adapter(
        52, "a million attributes",
        "object '/blocks/q': too many attributes (expected at most 100000)", missing: [],
        HDF5Adapter.attributes(1_000_000)),
    ] + [plugin, cut]

  /// A plugin that could not be read without being noticed.
  private static let plugin = HostileCase(
    48, "a filter that a plugin has",
    Opening.adapter(name).map { arguments in
      var run = HostileRun.refused(
        arguments, "\(name): \(factor): is not supported: the filter 32015")
      run.environment = ["HDF5_PLUGIN_PATH": "plugins"]
      return run
    }
  ) { folder in
    try HDF5Adapter.write(to: folder, HDF5Adapter.filter(32015))
    try FileSystem.makeFIFO(folder.folder("plugins") + "/libzstd.so")
  }

  private static let cut = HostileCase(
    53, "cut at every 512 bytes",
    stride(from: 0, to: HDF5Adapter.many.count, by: 512).flatMap { size -> [HostileRun] in
      let name = "cut-\(size).h5"
      return [["inspect", name], ["convert", name, "out.reslora"]].map { arguments in
        .refused(
          arguments,
          size == 0
            ? "\(name): of no format known here, or its beginning is damaged (expected "
              + "safetensors, .reslora, HDF5, a checkpoint of torch.save, or JSON)"
            : "\(name): the HDF5 library can't open it: truncated file: eof = \(size), "
              + "sblock->base_addr = 0, stored_eof = \(HDF5Adapter.many.count), unable to read superblock"
        )
      }
    }
  ) { folder in
    try #require(HDF5Adapter.many.count > 8192)
    for size in stride(from: 0, to: HDF5Adapter.many.count, by: 512) {
      try FileSystem.write(Array(HDF5Adapter.many[..<size]), to: folder.file("cut-\(size).h5"))
    }
  }

  // MARK: Files that crash the library

  private static let crashers = [
    HostileCase(
      54, "a file that crashes the library",
      Opening.adapter(name).map {
        .refused(
          $0,
          "\(name): the HDF5 library crashed (signal 11) reading this file; "
            + "it is damaged or malicious")
      }
    ) { try $0.write(HDF5Crasher.bytes, to: name) }
  ]
}
