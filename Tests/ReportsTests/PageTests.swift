import ByteIO
import Foundation
import Reports
import Testing

/// Whole pages.
@Suite struct PageTests {
  @Test("a replay's page carries every figure of every method")
  func verify() throws {
    let (page, sample) = try SamplePages.verify()
    for (run, method) in page.methods.enumerated() {
      for block in method.blocks {
        #expect(
          sample.html.contains(
            "data-block=\"\(block.name)\" data-key=\"delta_error\" data-run=\"\(run)\" "
              + "data-value=\"\(JSONValue.double(block.deltaError).serialized())\""))
      }
    }
    #expect(sample.html.contains("calibration tokens, logarithmic"))
  }

  @Test(
    "sample pages for the browser test",
    .enabled(if: ProcessInfo.processInfo.environment["REPORT_SAMPLES"] != nil))
  func samples() throws {
    let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["REPORT_SAMPLES"] ?? ".")
    let sample = try SamplePages.verify().sample
    try Data(sample.html.utf8).write(to: folder.appendingPathComponent("\(sample.name).html"))
    try Data(sample.json.serialized().utf8)
      .write(to: folder.appendingPathComponent("\(sample.name).json"))
  }
}
