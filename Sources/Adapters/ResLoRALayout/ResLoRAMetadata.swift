internal import ByteIO
internal import Tensors

/// The JSON that the safetensors layout of adapters keeps under one metadata key: all that is no
/// tensor.
struct ResLoRAMetadata {
  /// The metadata key.
  static let key = "reslora"
  static let format = "reslora-safetensors"
  static let version = 1

  struct BlockEntry {
    let name: TensorName
    let scaling: Double
    let previous: TensorName?
    let windows: NormWindows
  }

  let structure: Structure
  let root: RootRule
  let reach: PredecessorCount
  let blocks: [BlockEntry]

  init(
    structure: Structure, root: RootRule, reach: PredecessorCount, blocks: [BlockEntry]
  ) {
    self.structure = structure
    self.root = root
    self.reach = reach
    self.blocks = blocks
  }

  init(parsing text: String, path: String) throws {
    let file = try SidecarFile(path: path, text: Array(text.utf8))
    guard try file.string("format") == ResLoRAMetadata.format else {
      throw file.badValue("format", expected: "\"\(ResLoRAMetadata.format)\"")
    }
    guard try file.integer("version", in: 0...Int.max) == ResLoRAMetadata.version else {
      throw file.badValue("version", expected: "\(ResLoRAMetadata.version)")
    }
    guard let structure = try file.word("structure", as: Structure.self) else {
      throw file.failure(.missing(key: "structure", expected: "plain, is, bs or ms"))
    }
    guard let list = file.object["blocks"]?.array else {
      throw file.failure(.missing(key: "blocks", expected: "an array of blocks"))
    }
    self.structure = structure
    root = try file.word("root", as: RootRule.self) ?? .ownInput
    reach = try file.integer("pre_num", in: -1...Int.max).flatMap(PredecessorCount.init) ?? .all
    blocks = try list.map { element in
      guard let object = element.object else {
        throw file.failure(.missing(key: "blocks", expected: "objects in the array"))
      }
      let entry = SidecarFile(path: path, object: object)
      guard let name = try entry.string("name").map({ TensorName($0) }) else {
        throw file.failure(.missing(key: "name", expected: "a name for every block"))
      }
      guard let scaling = try entry.number("scaling") else {
        throw file.failure(.missing(key: "scaling", expected: "a number for block '\(name)'"))
      }
      return BlockEntry(
        name: name, scaling: scaling, previous: try entry.string("previous").map { TensorName($0) },
        windows: try object["windows"].map { try WindowsFile.windows(of: name, $0, path: path) }
          ?? NormWindows())
    }
  }

  var json: JSONValue {
    .members([
      "format": .string(ResLoRAMetadata.format),
      "version": .integer(ResLoRAMetadata.version),
      "structure": .string(structure.rawValue),
      "root": .string(root.rawValue),
      "pre_num": .integer(reach.rawValue),
      "blocks": .array(
        blocks.map { block in
          .members([
            "name": .string(block.name.string),
            "scaling": .double(block.scaling),
            "previous": block.previous.map { .string($0.string) } ?? .null,
            "windows": block.windows.isEmpty ? nil : ResLoRAMetadata.json(block.windows),
          ])
        }),
    ])
  }

  private static func json(_ windows: NormWindows) -> JSONValue {
    .members([
      "input": .array(windows.input.values.map(JSONValue.double)),
      "projection": .array(windows.projection.values.map(JSONValue.double)),
    ])
  }
}
