internal import Activations
internal import Adapters
internal import ByteIO
public import HDF5
internal import Synchronization
public import Tensors

/// Every rule of the Spec that a file or folder breaks, as far as reading it gets.
///
/// Adapters and activations are read whole, a piece at a time; of checkpoints only headers and the
/// index are.
public struct Validation: Sendable {
  /// The file or folder.
  public let path: String
  /// The name of its format; nil where it was not recognised, or could not be opened.
  public let format: String?
  /// What is wrong, in the order found.
  public let violations: [Violation]

  /// Whether no rule is broken; warnings do not count.
  public var isValid: Bool { !violations.contains { $0.severity == .error } }

  /// Validates what lies at a path.
  ///
  /// - Parameters:
  ///   - hdf5: how HDF5 files are listed.
  ///   - progress: called before each piece that is read; an error it throws stops the work.
  /// - Throws: errors of the operating system, and of `progress`; never for what a file says.
  public init(
    path: String, hdf5: HDF5Reading = .inProcess, threads: Int = 1,
    progress: @escaping @Sendable () throws -> Void = {}
  ) throws {
    let check = RuleCheck.collecting(progress: progress)
    var format: String?
    if try Paths.kind(of: path) == .absent {
      _ = try ReadableFile(path: path)  // which says so
    }
    _ = try check.attempt(nil) {
      let probe = try InputProbe(path: path, hdf5: hdf5)
      let elements = ElementCheck(threads: threads, check: check)
      switch try ContentKind(of: probe) {
      case .adapter(let type):
        format = type.name
        if try !Validation.foreign(probe, elements), !check.hasErrors {
          try Validation.adapter(probe, type, elements)
        }
      case .activations:
        let file = try ActivationFile(probe, check: check)
        format = file.format
        if !check.hasErrors { try elements.read(file.matrices, rule: "Activations §1") }
      case .windows:
        format = WindowsFile.format(of: probe)
        _ = try check.attempt("Merging §3.5") { try WindowsFile(probe, check: check) }
      case .checkpoint:
        let checkpoint = try PathContent.Checkpoint(probe)
        format = checkpoint.format
        for warning in checkpoint.warnings {
          check.warn(warning)
        }
      }
    }
    self.path = path
    self.format = format
    violations = check.violations
  }

  /// Checks an adapter that only a fold takes.
  private static func foreign(_ probe: InputProbe, _ elements: ElementCheck) throws -> Bool {
    let check = elements.check
    let found = try check.attempt(nil) { try AdapterUpdates(probe) }
    guard let updates = found ?? nil, !updates.isPlain else { return false }
    try elements.read(updates.tensors, rule: "Updates §1")
    return true
  }

  private static func adapter(
    _ probe: InputProbe, _ format: any AdapterFormat.Type, _ elements: ElementCheck
  ) throws {
    let check = elements.check
    guard let found = try format.read(probe, check), !check.hasErrors else { return }
    try found.checkLinks(check)
    guard !check.hasErrors,
      let adapter = try check.attempt("Adapter §1", { try found.adapter(AdapterOverrides()) })
    else { return }
    try elements.read(adapter.storedTensors(), rule: "Adapter §1.3")
  }
}

/// Reads all elements and notes tensors that do not read, or have NaN or infinities.
struct ElementCheck {
  let threads: Int
  let check: RuleCheck

  func read(_ source: any TensorSource, rule: String) throws {
    let progress = check.progress
    let found = try Parallel.map(source.tensors.count, threads: threads) { index in
      // A tensor that is damaged is noted, and the others are read all the same.
      do {
        let statistics = try TensorStatistics(source, index, progress: progress)
        return Finding.nonFinite(statistics?.nonFinite ?? 0)
      } catch let error as any DiagnosableError where error.failureKind == .badData {
        return Finding.broken(error)
      }
    }
    for (info, finding) in zip(source.tensors, found) {
      switch finding {
      case .nonFinite(0): break
      case .nonFinite(let count):
        check.warn(
          "\(source.label.escapedForTerminal): tensor '\(info.name)': \(count) of "
            + "\(info.elementCount) elements are not finite",
          rule: rule)
      case .broken(let error): _ = try check.attempt(nil) { throw error }
      }
    }
  }

  private enum Finding: Sendable {
    case nonFinite(Int)
    case broken(any DiagnosableError)
  }
}
