package final class InPlaceJournal: Sendable {
  static let suffix = ".fold-journal"
}
