/// The Frobenius norms of the last batches a block saw in training, oldest first (Adapter §1.5).
public struct NormWindow: Sendable, Equatable {
  /// The norms, oldest to newest.
  public let values: [Double]

  /// Wraps norms.
  public init(_ values: [Double]) { self.values = values }

  /// The arithmetic mean, `f` of Eqs. 9 and 12; nil for an empty window.
  public var mean: Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}

/// The norm windows of one block.
public struct NormWindows: Sendable, Equatable {
  /// How many norms a window holds where nothing else is said.
  public static let defaultCapacity = 100

  /// The most norms of one window, whatever its capacity (Adapter §1.5).
  package static let maximumLength = 1 << 20

  /// Norms of the input, `‖x‖`.
  public let input: NormWindow
  /// Norms of the projection, `‖A x‖`.
  public let projection: NormWindow
  /// How many norms each window holds at most; the default where there is none (Adapter §1.5).
  public let capacity: Int

  /// Wraps both windows.
  public init(
    input: NormWindow = NormWindow([]), projection: NormWindow = NormWindow([]),
    capacity: Int = NormWindows.defaultCapacity
  ) {
    self.input = input
    self.projection = projection
    self.capacity =
      input.values.isEmpty && projection.values.isEmpty ? NormWindows.defaultCapacity : capacity
  }

  /// Whether neither window has a norm.
  public var isEmpty: Bool { input.values.isEmpty && projection.values.isEmpty }
}
