/// How the blocks of an adapter were linked while it was trained (Merging §2).
public enum Structure: String, Sendable, CaseIterable {
  /// No links: an ordinary LoRA (Eq. 1).
  case plain = "plain"
  /// Each block also sees its predecessor's input (Eq. 2).
  case inputShortcut = "is"
  /// Each block also adds its predecessors' products (Eq. 3).
  case blockShortcut = "bs"
  /// Each block also sees its predecessors' projections (Eq. 4).
  case middleShortcut = "ms"

  /// The name for people.
  public var title: String {
    switch self {
    case .plain: "plain LoRA"
    case .inputShortcut: "input-shortcut"
    case .blockShortcut: "block-shortcut"
    case .middleShortcut: "middle-shortcut"
    }
  }
}

/// What the missing predecessor's input of an input-shortcut root is (Merging §2.6).
public enum RootRule: String, Sendable, CaseIterable {
  /// The root's own input.
  case ownInput = "self"
  /// Nothing.
  case nothing = "none"
}

/// How many predecessors a block of bs and ms reaches back to (Merging §2.5).
public struct PredecessorCount: Sendable, Equatable {
  /// The stored number; -1 means all.
  public let rawValue: Int

  /// All predecessors.
  public static let all = PredecessorCount(unchecked: -1)

  private init(unchecked rawValue: Int) { self.rawValue = rawValue }

  /// A number from -1 on, nil for others.
  public init?(_ rawValue: Int) {
    guard rawValue >= -1 else { return nil }
    self.init(unchecked: rawValue)
  }

  /// The most predecessors that take part.
  var limit: Int { rawValue == -1 ? .max : rawValue }
}
