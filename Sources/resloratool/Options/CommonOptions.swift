import ArgumentParser
import ByteIO
import Tensors

/// Options that every command has.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print one JSON object on standard output and nothing else there.")
  var json = false

  @Flag(name: [.short, .long], help: "Show no progress and no notes.")
  var quiet = false

  @Option(help: ArgumentHelp("Threads to use (default: all cores).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be 1 or more") }
  }

  var threadCount: Int { threads ?? Parallel.availableThreads }

  /// Prints the result: the JSON, or the text for people.
  func print(_ json: @autoclosure () -> JSONValue, _ text: @autoclosure () -> String) throws {
    try StandardOutput.write(self.json ? json().serialized(indented: true) + "\n" : text())
  }

  /// Prints warnings on standard error.
  func warn(_ warnings: [String]) {
    guard !quiet else { return }
    for warning in warnings { StandardError.write("warning: \(warning)\n") }
  }
}

/// Whether NaN and infinities may pass.
struct NonFiniteOptions: ParsableArguments {
  @Flag(name: .customLong("allow-nonfinite"), help: "Let NaN and infinities into the result.")
  var isAllowed = false
}

/// Where a result goes.
struct OutputOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp("Where to write (default: a name beside the input).", valueName: "path"))
  var output: String?

  @Flag(help: "Replace an output that exists.")
  var force = false

  @Flag(name: .customLong("dry-run"), help: "Check everything and print the plan; write nothing.")
  var isDryRun = false

  @Option(help: "The dtype of the tensors written.")
  var dtype: OutputDType?

  /// Refuses an output that is one of the inputs.
  func requireDistinct(_ output: String, from inputs: [String]) throws {
    for input in inputs where Paths.areSame(output, input) {
      throw FileError.outputIsInput(path: output, input: input)
    }
  }
}

/// A dtype that results can be written in.
enum OutputDType: String, ExpressibleByArgument, CaseIterable {
  case f64, f32, f16, bf16

  var dtype: DType {
    switch self {
    case .f64: .f64
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}
