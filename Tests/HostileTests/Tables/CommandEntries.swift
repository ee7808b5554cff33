import ByteIO
import Foundation
import LoRATestSupport
import TestSupport
import Testing

/// Entries 91 to 93: what is typed.
enum CommandEntries {
  static let all = outputs + usage + dash + standardOutput

  private static let commands = [
    "inspect", "merge", "fold", "verify", "convert", "validate", "diff",
  ]

  // MARK: 91

  /// The ways in which a file can be named.
  private static func names(of file: String) -> [(way: String, name: String)] {
    [
      ("by its path", file), ("by another path", "./here/\(file)"),
      ("by a hard link", "hard-\(file)"), ("by a symbolic link", "link-\(file)"),
    ]
  }

  /// An adapter, its base and the files beside it, each under several names.
  @Sendable private static func prepare(_ folder: TemporaryFolder) throws {
    let fixture = FixtureCase("synthetic/is-basic")
    for (name, source) in [
      ("w.safetensors", "base.safetensors"), ("windows.json", "norm-windows.json"),
      ("acts.safetensors", "activations-calibration.safetensors"), ("x", "adapter"),
    ] {
      try FileManager.default.copyItem(atPath: fixture.path(source), toPath: folder.file(name))
    }
    try FileManager.default.copyItem(
      atPath: TestFiles.fixture("synthetic/is-basic/adapter/pytorch_model_lora.bin"),
      toPath: folder.file("x.bin"))
    try FileManager.default.copyItem(
      atPath: TestFiles.fixture("synthetic/is-basic/adapter/reslora_config.json"),
      toPath: folder.file("reslora_config.json"))
    for name in ["w.safetensors", "windows.json", "acts.safetensors", "x.bin"] {
      try FileSystem.hardLink(folder.file("hard-\(name)"), to: folder.file(name))
      try FileSystem.link(folder.file("link-\(name)"), to: name)
    }
    try FileManager.default.copyItem(
      atPath: fixture.path("base.safetensors"), toPath: folder.folder("b") + "/model.safetensors")
    try FileSystem.link(folder.file("here"), to: ".")
    try FileSystem.link(folder.file("link-x"), to: "x")
  }

  /// Commands that write onto an input under that name.
  private static func refused(
    _ title: String, output: String, input: String, _ commands: [String]
  ) -> HostileCase {
    HostileCase(
      91, title,
      commands.map { command in
        // A plan keeps absolute paths of adapter and base.
        let isKept = command.contains("--plan-out") && input != "windows.json"
        let shown = isKept ? "{folder}/\(input)" : input
        return .refused(
          command + " --force", "\(output): is the input \(shown); name another output",
          status: 2)
      }, prepare: prepare)
  }

  private static let fold = "fold x.bin --method none --into w.safetensors"
  private static let verify =
    "verify x.bin --method bw --base w.safetensors --activations acts.safetensors"

  private static let outputs =
    ["x.bin", "w.safetensors", "windows.json", "acts.safetensors"].flatMap { file in
      names(of: file).map { onto(file, way: $0.way, name: $0.name) }
    } + folders

  private static func onto(_ file: String, way: String, name: String) -> HostileCase {
    let windows = "--windows windows.json"
    let fitted = "--method calibrated \(windows) --calibration acts.safetensors"
    var commands = [
      "merge x.bin --base w.safetensors \(fitted) -o \(name)",
      "merge x.bin --base w.safetensors \(fitted) -o out --html \(name)",
      "fold x.bin --into w.safetensors \(fitted) -o \(name)",
      "fold x.bin --into w.safetensors \(fitted) -o o.safetensors --undo \(name)",
      "fold x.bin --into w.safetensors \(fitted) -o o.safetensors --html \(name)",
      "\(verify) \(windows) --html \(name)",
    ]
    if file != "acts.safetensors" {
      commands += [
        "\(fold) \(windows) -o o.safetensors --plan-out \(name)",
        "convert x.bin \(name) --base w.safetensors \(windows) --to reslora",
      ]
    }
    return refused("the output is \(file) \(way)", output: name, input: file, commands)
  }

  private static let folders =
    ["x", "link-x", "here/x"].map { name in
      refused(
        "the output is the adapter's folder, as \(name)", output: name, input: "x",
        ["merge x --method none -o \(name)", "convert x \(name) --to peft"])
    } + [
      refused(
        "the output is a file of the adapter's folder", output: "x/reslora_config.json",
        input: "x/reslora_config.json",
        [
          "fold x --method none --into w.safetensors -o x/reslora_config.json",
          "convert x x/reslora_config.json --to reslora",
        ]),
      refused(
        "the output is the base's folder", output: "b", input: "b",
        [
          "fold x.bin --method none --into b -o b", "merge x.bin --method bw --base b -o b",
          "convert x.bin b --to peft --base b",
        ]),
      refused(
        "the output is a file of the base's folder", output: "b/model.safetensors",
        input: "b/model.safetensors",
        [
          "fold x.bin --method none --into b -o b/model.safetensors",
          "merge x.bin --method bw --base b -o b/model.safetensors",
          "convert x.bin b/model.safetensors --base b",
        ]),
      undo,
    ]

  /// Taking a fold back onto the folded file, or onto the file that says how.
  private static let undo = HostileCase(
    91, "the output of taking back is an input",
    [
      .accepted(
        fold + " -o folded.safetensors --undo undo", creates: ["folded.safetensors", "undo"]),
      .refused(
        "fold --undo-from undo --into folded.safetensors -o folded.safetensors --force",
        "folded.safetensors: is the input folded.safetensors; name another output", status: 2),
      .refused(
        "fold --undo-from undo --into folded.safetensors -o undo --force",
        "undo: is the input undo; name another output", status: 2),
    ], prepare: prepare)

  // MARK: 92

  private static func usage(
    _ title: String, _ runs: [(command: String, message: String)]
  ) -> HostileCase {
    HostileCase(
      92, title,
      runs.map { command, message in
        let name =
          command.split(separator: " ").first.map { commands.contains(String($0)) } ?? false
        let help = name ? "\(command.prefix { $0 != " " }) --help" : "--help"
        return .refused(command, "\(message); see 'resloratool \(help)'", status: 2)
      }
    ) { _ in }
  }

  private static let usage = [
    usage(
      "an unknown flag",
      [
        "inspect adapter", "merge adapter", "fold adapter --into base.safetensors",
        "verify adapter --activations acts.safetensors", "convert adapter out.h5",
        "validate adapter", "diff adapter adapter",
      ].map { ($0 + " --frobnicate", "Unknown option '--frobnicate'") }),
    usage(
      "a value that is missing",
      [
        ("inspect adapter --threads", "Missing value for '--threads <n>'"),
        ("merge adapter --base", "Missing value for '--base <path>'"),
        ("merge adapter -o", "Missing value for '-o <path>'"),
        ("fold adapter --into", "Missing value for '--into <base>'"),
        ("verify adapter --activations", "Missing value for '--activations <file>'"),
        (
          "convert adapter out.h5 --compression",
          "Missing value for '--compression <auto|none|zlib|zstd>'"
        ),
      ]),
    usage(
      "an argument that is missing, and a command that is none",
      [
        ("inspect", "Missing expected argument '<paths> ...'"),
        ("convert adapter", "Missing expected argument '<output>'"),
        ("frob", "Unexpected argument 'frob'"),
        ("frob\u{1b}[2J", #"Unexpected argument 'frob\u{1b}[2J'"#),
      ]),
  ]

  private static let dash = [
    HostileCase(
      92, "a file named -x",
      [
        .refused(
          ["inspect", "-x"],
          "Missing expected argument '<paths> ...'; see 'resloratool inspect --help'", status: 2),
        .accepted(["inspect", "--json", "--", "-x"]) { outcome in
          let path = try outcome.json()["path"]?.string
          #expect(path == "-x")
        },
        .accepted(["inspect", "./-x"]),
        .accepted(["convert", "--", "-x", "-y.h5"], creates: ["-y.h5"]),
        .accepted(["diff", "--", "-y.h5", "-y.h5"]),
        .refused(
          ["merge", "adapter", "--method", "none", "-o", "-z"],
          "Missing value for '-o <path>'; see 'resloratool merge --help'", status: 2),
        .accepted(["merge", "adapter", "--method", "none", "-o", "./-z"], creates: ["-z"]),
      ]
    ) {
      try FileManager.default.moveItem(atPath: $0.file("adapter"), toPath: $0.file("-x"))
      try FileManager.default.copyItem(atPath: $0.file("-x"), toPath: $0.file("adapter"))
    }
  ]

  // MARK: 93

  /// A command that prints, and what it writes before.
  private static let printing: [(command: String, creates: [String])] = [
    ("inspect x", []), ("inspect --json x", []), ("inspect --stats w.safetensors", []),
    ("merge x --method none -o out", ["out"]),
    (fold + " -o out.safetensors", ["out.safetensors"]), (verify, []),
    ("convert x out.h5", ["out.h5"]), ("validate x", []), ("diff x x", []), ("--help", []),
    ("fold --help", []), ("--version", []),
  ]

  /// A run whose output goes somewhere else.
  private static func printing(
    _ title: String, status: Int32, _ error: String, shell: String
  ) -> [HostileCase] {
    printing.map { command, creates in
      let arguments = command.split(separator: " ").map(String.init)
      return HostileCase(
        93, "\(title): \(arguments.joined(separator: " "))",
        [
          HostileRun(
            arguments: arguments, status: status, error: error, creates: creates, shell: shell)
        ], prepare: prepare)
    }
  }

  private static let standardOutput =
    printing(
      "a reader that goes away", status: 0, "status 0",
      shell: #"{ "$@"; echo "status $?" >&2; } | true"#)
    + (FileManager.default.fileExists(atPath: "/dev/full")
      ? printing(
        "a full device", status: 4,
        "error: standard output: can't write: No space left on device",
        shell: #"exec "$@" > /dev/full"#) : [])
}
