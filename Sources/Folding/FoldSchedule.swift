internal import Tensors

extension FoldPlan {
  /// The same pieces in an order in which threads begin different parts, so that none waits while
  /// another loads the factors that both need: batches of as many parts as there are threads, piece
  /// about piece. Pieces of one part keep their order, and a part never comes before one of an earlier
  /// generation.
  func scheduled(_ pieces: [FoldPiece], threads: Int) -> [FoldPiece] {
    guard threads > 1 else { return pieces }
    var result: [FoldPiece] = []
    result.reserveCapacity(pieces.count)
    var batch: [ArraySlice<FoldPiece>] = []
    func flush() {
      var (rounds, position) = (batch, 0)
      while !rounds.isEmpty {
        if let piece = rounds[position].popFirst() { result.append(piece) }
        if rounds[position].isEmpty { rounds.remove(at: position) } else { position += 1 }
        if position >= rounds.count { position = 0 }
      }
      batch = []
    }
    var start = 0
    var last: Int?
    while start < pieces.count {
      let part = pieces[start].part
      let end = pieces[start...].firstIndex { $0.part != part } ?? pieces.count
      let own = part.map(generation)
      if batch.count == threads || own != last { flush() }
      batch.append(pieces[start..<end])
      last = own
      start = end
    }
    flush()
    return result
  }

  /// How many generations of updates have to be measured before a part can be folded.
  func generation(_ part: Int) -> Int {
    parts[part].contributions.map { inputs[$0.input].generation($0.position) }.max() ?? 0
  }
}
