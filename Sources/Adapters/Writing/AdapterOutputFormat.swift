internal import ByteIO
public import ResLoRAContainer
public import Tensors

/// A format that adapters can be written in.
protocol WritableAdapterFormat: AdapterFormat {
  /// The word for it on the command line.
  static var identifier: String { get }
  /// The extensions of its files, the usual one first; none for a folder.
  static var fileExtensions: [String] { get }

  /// What must not be there, or may be replaced.
  static func checkOutput(at path: String, replacing: Bool) throws

  /// Refuses what the format can't hold, before anything is written.
  static func check(_ file: AdapterFileContent, for path: String) throws

  /// What of the adapter the format has no place for, one line each.
  static func losses(of file: AdapterFileContent) -> [String]

  /// Writes, reads back what it wrote and gives it its name.
  static func write(_ file: AdapterFileContent, to path: String, _ options: WriteOptions) throws
}

extension WritableAdapterFormat {
  static func checkOutput(at path: String, replacing: Bool) throws {
    try OutputFile.check(path: path, replacing: replacing)
  }

  static func check(_ file: AdapterFileContent, for path: String) throws {
    try file.checkDescription(for: path)
  }

  /// Only containers keep what other tools put into them.
  static func losses(of file: AdapterFileContent) -> [String] {
    file.attachments.map { loss("chunk '\($0.type)'") }
  }

  /// Words for something that is left out.
  static func loss(_ what: String) -> String { "\(what): left out, a \(name) has no place for it" }
}

/// How an adapter is to be written.
public struct WriteOptions: Sendable {
  /// Whether a file of that name may be replaced.
  public var replacing: Bool
  /// What a container's chunks are compressed with; other formats have no choice.
  public var compression: ContainerCompression
  /// The most threads to use; the bytes do not depend on it.
  public var threads: Int
  /// Called with the bytes written and to be written; an error it throws stops the work.
  public var progress: @Sendable (_ done: Int, _ total: Int) throws -> Void

  /// States how to write.
  public init(
    replacing: Bool = false, compression: ContainerCompression = .automatic, threads: Int = 1,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) {
    self.replacing = replacing
    self.compression = compression
    self.threads = threads
    self.progress = progress
  }
}

/// A format to write an adapter in: one of `all`.
public struct AdapterOutputFormat: Sendable {
  private let type: any WritableAdapterFormat.Type

  /// The formats there are, in the order of help.
  public static let all = AdapterFormats.all.compactMap { format in
    (format as? any WritableAdapterFormat.Type).map(AdapterOutputFormat.init(type:))
  }

  /// The folder that PEFT loads, what a merge writes where nothing else is said.
  public static let peft = AdapterOutputFormat(type: PEFTFolder.self)

  /// The native container.
  public static let reslora = AdapterOutputFormat(type: ResLoRAContainerFormat.self)
  /// One HDF5 file.
  public static let hdf5 = AdapterOutputFormat(type: ResLoRAHDF5.self)
  /// One safetensors file.
  public static let safetensors = AdapterOutputFormat(type: ResLoRASafetensors.self)

  private init(type: any WritableAdapterFormat.Type) { self.type = type }

  /// The format of an identifier, nil where there is none.
  public init?(identifier: String) {
    guard let found = AdapterOutputFormat.all.first(where: { $0.identifier == identifier }) else {
      return nil
    }
    self = found
  }

  /// The format that files of this extension have; nil for others.
  public init?(fileExtension: String) {
    let found = AdapterOutputFormat.all.first {
      $0.fileExtensions.contains(fileExtension.lowercased())
    }
    guard let found else { return nil }
    self = found
  }

  /// The word for it on the command line.
  public var identifier: String { type.identifier }
  /// The name for people.
  public var name: String { type.name }
  /// The extensions of its files, the usual one first; none for a folder.
  public var fileExtensions: [String] { type.fileExtensions }

  /// Checks that the output can be written there.
  ///
  /// - Throws: `FileError.exists` and the like.
  public func checkOutput(at path: String, replacing: Bool) throws {
    try type.checkOutput(at: path, replacing: replacing)
  }

  /// Refuses what the format can't hold.
  ///
  /// - Throws: `AdapterError`, `ContentError`.
  public func check(_ file: AdapterFileContent, for path: String) throws {
    try type.check(file, for: path)
  }

  /// What of the adapter the format has no place for, one line each.
  public func losses(of file: AdapterFileContent) -> [String] { type.losses(of: file) }

  /// Writes an adapter; the file or folder appears when it is complete and read back.
  ///
  /// - Throws: `FileError`, `AdapterError`, errors of reading the factors and of writing.
  public func write(
    _ file: AdapterFileContent, to path: String, options: WriteOptions = WriteOptions()
  ) throws {
    try check(file, for: path)
    try type.write(file, to: path, options)
  }
}

extension PlainLoRA {
  /// Writes a plain LoRA in any format.
  ///
  /// - Parameter dtype: the dtype of all tensors, or nil for those the blocks state.
  /// - Throws: as `AdapterOutputFormat.write`.
  public func write(
    to path: String, as format: AdapterOutputFormat, dtype: DType? = nil,
    provenance: Provenance = Provenance(), options: WriteOptions = WriteOptions()
  ) throws {
    try format.write(
      AdapterFileContent(self, provenance: provenance, dtype: dtype), to: path, options: options)
  }
}

extension Adapter {
  /// Writes the adapter as it is in any format, to the bit.
  ///
  /// - Throws: as `AdapterOutputFormat.write`.
  public func write(
    to path: String, as format: AdapterOutputFormat, options: WriteOptions = WriteOptions()
  ) throws {
    try format.write(AdapterFileContent(self), to: path, options: options)
  }
}
