internal import Tensors

/// A base's tensors by their names with underscores for dots (Updates §6.2).
struct FlattenedNames {
  private let whole: [TensorName: [Int]]
  private let names: [String]

  init(_ base: any TensorSource) {
    names = base.tensors.map { FlattenedNames.flattened($0.name.string) }
    whole = Dictionary(grouping: names.indices) { [names] in TensorName(names[$0]) }
  }

  /// The tensors that may be meant: those of exactly that name; where there is none, those whose
  /// name ends in it after a dot or an underscore.
  func indices(of wanted: BaseMatch.Wanted) -> [Int] {
    let name = FlattenedNames.flattened(wanted.tensorName.string)
    if let exact = whole[TensorName(name)] { return exact }
    let ending = "_" + name
    return names.indices.filter { names[$0].utf8.ends(with: ending.utf8) }
  }

  static func flattened(_ name: String) -> String {
    String(
      decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }
}

extension Collection where Element: Equatable, Self: BidirectionalCollection {
  /// Whether the elements end in those of another collection.
  fileprivate func ends(with ending: some BidirectionalCollection<Element>) -> Bool {
    reversed().starts(with: ending.reversed())
  }
}
