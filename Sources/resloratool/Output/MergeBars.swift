/// The bars of a merge: over the passes through the base, and over the steps of fits on captured
/// inputs.
struct MergeBars: Sendable {
  let reading: ProgressBar
  let fitting: ProgressBar

  init(_ common: CommonOptions) {
    reading = ProgressBar("reading the base", isQuiet: common.quiet)
    fitting = ProgressBar("fitting", isQuiet: common.quiet, countsBytes: false)
  }

  /// Takes them off the screen.
  func finish() {
    reading.finish()
    fitting.finish()
  }
}
