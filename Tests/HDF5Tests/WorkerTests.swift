import ByteIO
import Foundation
import HDF5
import Synchronization
import Tensors
import TestSupport
import Testing

/// The process that lists files, and what becomes of the caller when it fails.
@Suite struct WorkerTests {
  private let folder = TemporaryFolder()

  private func reason(_ reading: HDF5Reading) -> HDF5Error.Reason? {
    for _ in 0..<100 {
      let error = #expect(throws: HDF5Error.self) {
        try Fixture.open("values.h5", reading: reading)
      }
      // Another test's process, forked while a script was written, holds it open until it execs.
      guard error?.reason == .workerNotStarted("Text file busy") else { return error?.reason }
      usleep(10_000)
    }
    return nil
  }

  private func misbehaving(
    _ misbehavior: HDF5Misbehavior, _ change: (inout HDF5WorkerLimits) -> Void = { _ in }
  ) -> HDF5Error.Reason? {
    reason(
      Worker.reading { limits in
        limits.misbehavior = misbehavior
        change(&limits)
      })
  }

  @Test("the same is listed in a process of its own", arguments: LayoutTests.files)
  func same(_ name: String) throws {
    let (inside, outside) = (
      try Fixture.open(name).root.allDatasets,
      try Fixture.open(name, reading: Worker.reading).root.allDatasets
    )
    #expect(inside.map(\.path) == outside.map(\.path))
    #expect(inside.map(\.elementType) == outside.map(\.elementType))
    #expect(inside.map(\.shape) == outside.map(\.shape))
    #expect(try inside.map { try $0.values() } == outside.map { try $0.values() })
  }

  @Test("a crash")
  func crash() throws {
    let error = #expect(throws: HDF5Error.self) {
      try Fixture.open("values.h5", reading: Worker.reading { $0.misbehavior = .crash })
    }
    #expect(error?.reason == .workerCrashed(signal: 11))
    #expect(
      error?.description == "\(Fixture.path("values.h5")): the HDF5 library crashed (signal 11) "
        + "reading this file; it is damaged or malicious")
    #expect(error?.failureKind == .badData)
  }

  @Test("a process that waits for ever, and one that closes the pipe and stays")
  func hang() {
    let start = ContinuousClock.now
    #expect(misbehaving(.hang) { $0.seconds = 1 } == .workerTimedOut(seconds: 1))
    #expect(misbehaving(.linger) { $0.seconds = 1 } == .workerTimedOut(seconds: 1))
    #expect(ContinuousClock.now - start < .seconds(10))
  }

  @Test("a limit on processor time")
  func limits() {
    #expect(
      misbehaving(.compute) { $0.processorSeconds = 1 } == .workerProcessorTime(seconds: 1))
  }

  @Test("a limit on memory", .enabled(if: MemoryLimits.arePossible, "memory can't be limited here"))
  func memoryLimit() {
    guard
      case .library(_, let text) = misbehaving(.allocate, { $0.memory = 256 << 20 }),
      let bytes = text.split(separator: " ").compactMap({ Int($0) }).first
    else {
      Issue.record("no limit on memory")
      return
    }
    #expect(bytes <= 256 << 20)
  }

  @Test("no other file is opened")
  func opening() { #expect(misbehaving(.open) == .unsupported("opening")) }

  @Test("a process that ends without a message")
  func exit() { #expect(misbehaving(.exit) == .workerFailed(status: 3)) }

  @Test("a program that is not there, or is no worker")
  func otherPrograms() {
    #expect(
      reason(.isolated(executable: "/nowhere"))
        == .workerNotStarted("No such file or directory"))
    #expect(
      reason(.isolated(executable: "/bin/true")) == .workerMessage("it ends early"))
  }

  @Test(
    "garbage instead of a message",
    arguments: [
      ("", "it ends early"),
      ("hello, world", "it does not begin as it should"),
      ("RLH5LST1", "it ends early"),
      (#"RLH5LST1\000\000\060\000\000\125tail"#, "it does not end as it should"),
      (#"RLH5LST1\000\011"#, "an unknown kind of object"),
      (#"RLH5LST1\000\002\000\125"#, "its root is not a group"),
      (#"RLH5LST1\000\000\000\377\377\377\377\017"#, "it ends early"),
      (#"RLH5LST1\000\000\377\377\377\377\377\377\377\377\377\177"#, "a number is too large"),
      (#"RLH5LST1\001\011"#, "an unknown object"),
    ])
  func garbage(_ content: String, _ expected: String) throws {
    let script = try folder.write(
      Array("#!/bin/sh\nprintf '\(content)'\n".utf8), to: "fake")
    try #require(chmod(script, 0o755) == 0)
    #expect(reason(.isolated(executable: script)) == .workerMessage(expected))
  }

  @Test(
    "what it names can't steer a terminal",
    arguments: [
      (
        #"RLH5LST1\001\000\001\002a\033\007\125"#, .tooMany(what: "a\u{1b}", limit: 7),
        #"too many a\u{1b} (expected at most 7)"#
      ),
      (
        #"RLH5LST1\001\000\000\001\n\001\r\125"#, .library(operation: "\n", text: "\r"),
        #"the HDF5 library can't \u{a}: \u{d}"#
      ),
    ] as [(String, HDF5Error.Reason, String)])
  func escaping(_ content: String, _ expected: HDF5Error.Reason, _ words: String) throws {
    let script = try folder.write(
      Array("#!/bin/sh\nprintf '\(content)'\n".utf8), to: "fake")
    try #require(chmod(script, 0o755) == 0)
    let found = reason(.isolated(executable: script))
    #expect(found == expected)
    #expect(found?.description == words)
  }

  @Test("more than anyone sends is not taken")
  func flood() throws {
    let script = try folder.write(Array("#!/bin/sh\nexec cat /dev/zero\n".utf8), to: "fake")
    try #require(chmod(script, 0o755) == 0)
    guard case .workerMessage(let text) = reason(.isolated(executable: script)) else {
      Issue.record("taken")
      return
    }
    #expect(text.hasPrefix("more than "))
  }

  @Test("a mutated message never does more than throw")
  func mutations() throws {
    // A worker that sends what a real one sent, with some bytes changed.
    let message = folder.file("message")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = [
      "-c",
      "'\(Tool.path)' --list-hdf5-on-standard-input 1073741824 20 30 "
        // It can't write into files.
        + "< '\(Fixture.path("refused.h5"))' | cat > '\(message)'",
    ]
    try shell.run()
    shell.waitUntilExit()
    let bytes = try ReadableFile.contents(of: message, limit: 1 << 20)
    try #require(bytes.count > 500)
    let script = try folder.write(Array("#!/bin/sh\nexec cat '\(message)'\n".utf8), to: "fake")
    try #require(chmod(script, 0o755) == 0)
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<150 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        changed[Int.random(in: 8..<changed.count, using: &generator)] =
          UInt8.random(in: 0...255, using: &generator)
      }
      try folder.write(changed, to: "message")
      guard
        let file = try? Fixture.open("refused.h5", reading: .isolated(executable: script))
      else { continue }
      for dataset in file.root.allDatasets {
        guard let info = try? dataset.info(name: "x"), info.byteCount < 1 << 20 else { continue }
        _ = try? dataset.values()
      }
    }
  }

  @Test("a checkpoint that throws ends the process")
  func checkpoint() throws {
    struct Stop: Error {}
    let counter = Counter()
    #expect(throws: Stop.self) {
      try Fixture.open(
        "values.h5",
        reading: Worker.reading { limits in
          limits.misbehavior = .hang
          limits.checkpoint = { if counter.next() > 2 { throw Stop() } }
        })
    }
  }

  private final class Counter: Sendable {
    private let value = Atomic<Int>(0)
    func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
  }

  @Test("no descriptor and no process is left")
  func nothingLeft() throws {
    func descriptors() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/dev/fd").count
    }
    func run() {
      for misbehavior in [HDF5Misbehavior.crash, .exit] { _ = misbehaving(misbehavior) }
      _ = try? Fixture.open("values.h5", reading: Worker.reading)
      _ = reason(.isolated(executable: "/nowhere"))
    }
    run()
    let before = try descriptors()
    for _ in 0..<5 { run() }
    // Other tests run at the same time and have a few of their own.
    #expect(try descriptors() < before + 20)
  }
}
