#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Another program, run to its end by the shell.
package struct ShellCommand: Sendable {
  /// What it printed, standard error after standard output where both were written in turn.
  package let output: String
  /// Its exit status; 127 where there is no such program.
  package let status: Int

  /// Runs a program with some arguments; nothing is read from standard input.
  ///
  /// - Throws: `SystemError` where no process can be started.
  package init(_ words: [String]) throws(SystemError) {
    let line = words.map(\.quotedForShell).joined(separator: " ") + " </dev/null 2>&1"
    guard let stream = unsafe popen(line, "r") else { throw .current("run", words[0]) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe fread(&piece, 1, piece.count, stream)
      if count == 0 { break }
      // What is more than anyone prints is no answer.
      if bytes.count < 64 << 20 { bytes += piece[..<count] }
    }
    let code = unsafe pclose(stream)
    guard code >= 0 else { throw .current("run", words[0]) }
    output = String(decoding: bytes, as: UTF8.self)
    status = Int(code & 0x7f == 0 ? (code >> 8) & 0xff : 128 + code & 0x7f)
  }
}
