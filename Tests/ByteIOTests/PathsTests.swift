import ByteIO
import TestSupport
import Testing

@Suite struct PathsTests {
  struct Example: Sendable, CustomTestStringConvertible {
    let path: String
    let parent: String
    let name: String
    let fileExtension: String
    let stem: String

    init(_ path: String, parent: String, name: String, extension: String, stem: String) {
      self.path = path
      self.parent = parent
      self.name = name
      fileExtension = `extension`
      self.stem = stem
    }

    var testDescription: String { path.debugDescription }
  }

  @Test(arguments: [
    Example("a/b.c", parent: "a", name: "b.c", extension: "c", stem: "a/b"),
    Example("/a/b.tar.gz", parent: "/a", name: "b.tar.gz", extension: "gz", stem: "/a/b.tar"),
    Example("b.c", parent: ".", name: "b.c", extension: "c", stem: "b"),
    Example("b", parent: ".", name: "b", extension: "", stem: "b"),
    Example("/b", parent: "/", name: "b", extension: "", stem: "/b"),
    Example("/", parent: "/", name: "", extension: "", stem: "/"),
    Example("//", parent: "/", name: "", extension: "", stem: "/"),
    Example("", parent: ".", name: "", extension: "", stem: ""),
    Example("a/b.c/", parent: "a", name: "b.c", extension: "c", stem: "a/b"),
    Example("a/b.c///", parent: "a", name: "b.c", extension: "c", stem: "a/b"),
    Example("a.d/b", parent: "a.d", name: "b", extension: "", stem: "a.d/b"),
    Example(".hidden", parent: ".", name: ".hidden", extension: "", stem: ".hidden"),
    Example("x/.hidden.txt", parent: "x", name: ".hidden.txt", extension: "txt", stem: "x/.hidden"),
    Example("b.", parent: ".", name: "b.", extension: "", stem: "b."),
    Example(".", parent: ".", name: ".", extension: "", stem: "."),
    Example("..", parent: ".", name: "..", extension: "", stem: ".."),
    Example("a\n.b/c", parent: "a\n.b", name: "c", extension: "", stem: "a\n.b/c"),
    // A slash or dot and the combining mark after it are one character, but two of a path.
    Example("a/\u{301}.c", parent: "a", name: "\u{301}.c", extension: "c", stem: "a/\u{301}"),
    Example("a.\u{301}b", parent: ".", name: "a.\u{301}b", extension: "\u{301}b", stem: "a"),
  ])
  func pathsComeApart(example: Example) {
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    #expect(bytes(Paths.parent(of: example.path)) == bytes(example.parent))
    #expect(bytes(Paths.name(of: example.path)) == bytes(example.name))
    #expect(bytes(Paths.fileExtension(of: example.path)) == bytes(example.fileExtension))
    #expect(bytes(Paths.withoutExtension(example.path)) == bytes(example.stem))
  }

  @Test func slashesAtTheEndAreRemovedButTheRoot() {
    #expect(Paths.withoutTrailingSlashes("a/b//") == "a/b")
    #expect(Paths.withoutTrailingSlashes("a") == "a")
    #expect(Paths.withoutTrailingSlashes("///") == "/")
    #expect(Paths.withoutTrailingSlashes("") == "")
  }

  @Test func joiningAddsOneSlash() {
    #expect(Paths.join("a", "b") == "a/b")
    #expect(Paths.join("a/", "b") == "a/b")
    #expect(Paths.join("/", "b") == "/b")
    #expect(Paths.join(".", "b") == "./b")
  }

  @Test func kindsAreTold() throws {
    let folder = TemporaryFolder()
    let file = try folder.write([1], to: "x")
    try FileSystem.makeFIFO(folder.file("fifo"))
    try FileSystem.link(folder.file("link"), to: "x")
    try FileSystem.link(folder.file("broken"), to: "nowhere")
    #expect(try Paths.kind(of: file) == .file)
    #expect(try Paths.kind(of: folder.path) == .folder)
    #expect(try Paths.kind(of: folder.file("fifo")) == .other)
    #expect(try Paths.kind(of: "/dev/null") == .other)
    #expect(try Paths.kind(of: folder.file("link")) == .file)
    #expect(try Paths.kind(of: folder.file("broken")) == .absent)
    #expect(try Paths.kind(of: folder.file("none")) == .absent)
    #expect(try Paths.kind(of: file + "/below") == .absent)
  }

  @Test func entriesAreSortedByBytes() throws {
    let folder = TemporaryFolder()
    for name in ["b", "B", "a.10", "a.2", ".h", "\u{e9}"] { try folder.write([], to: name) }
    #expect(try Paths.entries(of: folder.path) == [".h", "B", "a.10", "a.2", "b", "\u{e9}"])
  }

  @Test func resolvingFollowsLinks() throws {
    let folder = TemporaryFolder()
    let root = try #require(Paths.resolved(folder.path))
    try folder.write([], to: "x")
    try FileSystem.link(folder.file("link"), to: "x")
    #expect(Paths.resolved(folder.file("link")) == root + "/x")
    #expect(Paths.resolved(folder.file("./../\(Paths.name(of: folder.path))/x")) == root + "/x")
    #expect(Paths.resolved(folder.file("none")) == nil)
  }
}
