public import Adapters

/// `none`: every block alone, its shortcut dropped (Merging §4.1).
public enum DroppedShortcut: MergeMethod {
  /// The name on the command line.
  public static let name = "none"
  /// What it does.
  public static let summary = "drop the shortcuts; for comparison only"
  /// It does not.
  public static let estimates = false

  /// Leaves every block as it is.
  public static func merge(_ adapter: Adapter, _ inputs: MergeInputs) throws -> [BlockMerge] {
    adapter.blocks.map { _ in BlockMerge(.scaled(1)) }
  }
}
