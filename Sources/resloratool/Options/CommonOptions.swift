import ArgumentParser
import ByteIO
import Tensors

/// A command that reads files within the limits asked for.
protocol ReadingCommand: ParsableCommand {
  var common: CommonOptions { get }
}

/// Options that every command has.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print one JSON object on standard output and nothing else there.")
  var json = false

  @Flag(name: [.short, .long], help: "Show no progress.")
  var quiet = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Threads to use (default: all cores).", valueName: "n"))
  var threads: Int?

  @OptionGroup var limits: LimitOptions

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be 1 or more, and 1024 at most")
    }
  }

  var threadCount: Int { threads ?? Parallel.availableThreads }

  /// Prints the result: the JSON, or the text for people.
  func print(_ json: @autoclosure () -> JSONValue, _ text: @autoclosure () -> String) throws {
    try StandardOutput.write(self.json ? json().serialized(indented: true) + "\n" : text())
  }

  /// Prints warnings on standard error.
  func warn(_ warnings: [String]) {
    for warning in warnings { StandardError.write("warning: \(warning)\n") }
  }
}

/// Whether NaN and infinities may pass.
struct NonFiniteOptions: ParsableArguments {
  @Flag(name: .customLong("allow-nonfinite"), help: "Let NaN and infinities into the result.")
  var isAllowed = false
}

/// The result's path, where it has a default.
struct OutputPathOption: ParsableArguments {
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp("Where to write (default: a name beside the input).", valueName: "path"))
  var path: String?
}

/// How a result is written.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Replace an output that exists.")
  var force = false

  @Flag(name: .customLong("dry-run"), help: "Check everything and print the plan; write nothing.")
  var isDryRun = false

  @Option(help: "The dtype of the tensors written.")
  var dtype: OutputDType?

  /// Checks, before any work, that the output is none of the inputs nor a file in their folders, and
  /// that the folder it goes to is there and can be written into.
  static func check(_ output: String, against inputs: [String?]) throws {
    var files: [String] = []
    for input in inputs.compactMap({ $0 }) {
      files.append(input)
      guard try Paths.kind(of: input) == .folder else { continue }
      files += try Paths.entries(of: input).map { Paths.join(input, $0) }
        .filter { try Paths.kind(of: $0) == .file }
    }
    for input in files where Paths.areSame(output, input) {
      throw FileError.outputIsInput(path: output, input: input)
    }
    try Paths.requireWritableFolder(Paths.parent(of: output))
  }
}

extension OutputOptions {
  /// Checks, before any work, another file or folder that is written besides the output: it is none of the
  /// inputs either, and neither the output nor in it.
  static func check(_ path: String, besides output: String, against inputs: [String?]) throws {
    try check(path, against: inputs)
    guard Paths.absolute(path) != Paths.absolute(output) else {
      throw FileError.outputIsInput(path: path, input: output)
    }
    if Paths.isInside(path, output) { throw FileError.insideInput(path: path, input: output) }
  }
}

/// A dtype that results can be written in.
enum OutputDType: String, ExpressibleByArgument, CaseIterable {
  case f64, f32, f16, bf16

  /// Takes PyTorch's names too.
  init?(argument: String) {
    let names = [
      "float64": OutputDType.f64, "float32": .f32, "float16": .f16, "half": .f16,
      "bfloat16": .bf16,
    ]
    let word = argument.lowercased()
    guard let dtype = OutputDType(rawValue: word) ?? names[word] else { return nil }
    self = dtype
  }

  var dtype: DType {
    switch self {
    case .f64: .f64
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}
