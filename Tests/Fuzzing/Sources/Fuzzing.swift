import Glibc

// libFuzzer brings the program's main, which calls these two. The program runs the target that
// FUZZ_TARGET names; or, given the name of a format alone, says what the reader makes of each file
// named on standard input.

/// What libFuzzer calls first.
@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzing(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  if count.pointee == 2, let word = arguments.pointee[1],
    let batch = Batch(rawValue: String(cString: word))
  {
    batch.run()
    exit(0)
  }
  guard FuzzTargets.chosen != nil else {
    print("FUZZ_TARGET must be one of: \(FuzzTargets.all.map { $0.name }.joined(separator: " "))")
    exit(2)
  }
  return 0
}

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  FuzzTargets.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}
