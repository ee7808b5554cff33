internal import ByteIO
public import HDF5
public import Tensors

/// Norm windows given beside an adapter that stores none (Merging §3.5).
public struct WindowsFile: Sendable {
  /// The file's path.
  public let path: String

  /// The name of the format.
  public let format: String

  private static let jsonFormat = "norm windows in JSON"

  private let windows: [(block: TensorName, windows: NormWindows)]

  /// Reads a norm-window file.
  ///
  /// - Throws: `SidecarError`, errors of reading.
  public init(path: String, hdf5: HDF5Reading = .inProcess) throws {
    try self.init(InputProbe(path: path, hdf5: hdf5))
  }

  /// Reads the windows in a JSON file, in an HDF5 file of windows, or of an adapter in any format.
  package init(_ probe: InputProbe, check: RuleCheck = .throwing) throws {
    path = probe.path
    let format = WindowsFile.format(of: probe)
    if let format, probe.isJSON {
      self.format = format
      let file = try SidecarFile(path: probe.path)
      windows = try file.object.members.compactMap { block, value in
        guard try TextRules.checkName(block, of: "block", path: probe.path, check) else {
          return nil
        }
        let block = TensorName(block)
        return try check.attempt("Merging §3.5") {
          (block, try WindowsFile.windows(of: block, value, path: probe.path))
        }
      }
    } else if let format, let file = probe.hdf5 {
      self.format = format
      windows = try HDF5Windows.blocks(of: file, check: check)
    } else {
      let adapter = try Adapter(probe, overrides: AdapterOverrides())
      self.format = adapter.format
      windows = adapter.blocks.filter { !$0.windows.isEmpty }.map { ($0.name, $0.windows) }
    }
  }

  /// The name of the format of a file that can be nothing but norm windows; nil for others.
  package static func format(of probe: InputProbe) -> String? {
    if probe.isJSON { return jsonFormat }
    let isWindows = probe.hdf5.map { HDF5Layout.format(of: $0) } == HDF5Windows.format
    return isWindows ? "norm windows in HDF5" : nil
  }

  /// The blocks that have windows, in the order of the file.
  public var blocks: [(name: TensorName, windows: NormWindows)] {
    windows.map { ($0.block, $0.windows) }
  }

  /// Puts the windows into their blocks.
  ///
  /// - Throws: `SidecarError` for a block that is not among them, or a window over the capacity.
  func apply(to blocks: inout [Block], capacity: Int) throws(SidecarError) {
    let positions = Dictionary(blocks.enumerated().map { ($1.name, $0) }) { first, _ in first }
    for (name, windows) in windows {
      guard let position = positions[name] else {
        let nearest = NameDistance.nearest(to: name, among: blocks.map(\.name))
        throw SidecarError(path: path, reason: .unknownBlock(name, nearest: nearest))
      }
      // JSON states no capacity; what does was checked against its own.
      let capacity = format == WindowsFile.jsonFormat ? capacity : windows.capacity
      for (kind, window) in [("input", windows.input), ("projection", windows.projection)] {
        guard window.values.count <= capacity else {
          throw SidecarError(
            path: path,
            reason: .windowTooLong(
              block: name, kind: kind, found: window.values.count, capacity: capacity))
        }
      }
      blocks[position].windows = NormWindows(
        input: windows.input, projection: windows.projection, capacity: capacity)
    }
  }

  /// Parses the windows of one block.
  static func windows(of block: TensorName, _ value: JSONValue, path: String) throws(SidecarError)
    -> NormWindows
  {
    func failure(_ reason: SidecarError.Reason) -> SidecarError {
      SidecarError(path: path, reason: reason)
    }
    guard let object = value.object else {
      throw failure(
        .badValue(key: block.string, found: "something else", expected: "an object of windows"))
    }
    for (key, _) in object.members where key != "input" && key != "projection" {
      throw failure(.unknownKey("\(block.string).\(key)"))
    }
    func window(_ kind: String) throws(SidecarError) -> NormWindow {
      guard let list = object[kind], !list.isNull else { return NormWindow([]) }
      guard let elements = list.array else {
        throw failure(.badNorm(block: block, kind: kind, found: list.serialized()))
      }
      var values: [Double] = []
      for element in elements {
        guard let norm = element.number?.double, norm.isFinite, norm >= 0 else {
          throw failure(.badNorm(block: block, kind: kind, found: element.serialized()))
        }
        values.append(norm)
      }
      return NormWindow(values)
    }
    return NormWindows(input: try window("input"), projection: try window("projection"))
  }
}
