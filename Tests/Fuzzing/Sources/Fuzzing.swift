import CFuzzer
import Glibc

/// The program's main, by the name under which SwiftPM links it: -sanitize=fuzzer, which also makes
/// every module a library, leaves no other way to have one.
///
/// Runs the target that FUZZ_TARGET names; or, given the name of a format alone, says what the
/// reader makes of each file named on standard input.
@_cdecl("fuzzing_main")
public func fuzzingMain(
  _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
  if count == 2, let word = arguments?[1], let batch = Batch(rawValue: String(cString: word)) {
    batch.run()
    return 0
  }
  guard FuzzTargets.chosen != nil else {
    print("FUZZ_TARGET must be one of: \(FuzzTargets.all.map { $0.name }.joined(separator: " "))")
    return 2
  }
  var count = count
  var arguments = arguments
  return LLVMFuzzerRunDriver(&count, &arguments, testOneInput)
}

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  FuzzTargets.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}
