import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

@testable import Adapters

/// Adapters in another dtype (Adapter §1.3, §1.6).
@Suite struct ConvertedAdapterTests {
  private let folder = TemporaryFolder()

  /// Values that tell one rounding from another: ties, neighbours of ties, subnormal numbers, zeros
  /// of both signs, and random ones of many sizes.
  private static func values(_ count: Int, largest: Int) -> [Double] {
    var generator = SeededGenerator(seed: 5)
    let ties: [Double] = [
      0, -0.0, 1 + 0x1p-11, 1 + 0x3p-11, 1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-8, 1 + 0x3p-8,
      -(1 + 0x1p-8 - 0x1p-50), 1 + 0x1p-24, 1 + 0x3p-24, 0x1p-24, 0x1p-25, 0x1.8p-24,
      0x1p-14 - 0x1p-25,
      0x1p-133, 0x1p-134, 0x1.8p-133, 0x1p-149, 0x1p-150, 0x1.0001p-150, 65280, 65279, -65281,
    ]
    let random = (0..<(count - ties.count)).map { _ in
      Double.random(in: -1...1, using: &generator)
        * Double(
          sign: .plus, exponent: Int.random(in: -30...largest, using: &generator), significand: 1)
    }
    return ties + random
  }

  /// An adapter of one block whose A is [2, n] of these values.
  private func adapter(_ values: [Double], dtype: DType) throws -> Adapter {
    let path = folder.file("x")
    let text = TestDescription.text(["blocks": "[\(TestDescription.block())]"])
    try folder.write(
      tensors: [
        TestTensor("a.lora_A", [2, values.count / 2], dtype: dtype, values: values),
        TestTensor("a.lora_B", [1, 2], dtype: dtype, values: [1, -2]),
      ], metadata: [("reslora", text)], to: "x")
    return try Adapter(path: path)
  }

  @Test(
    "each element is rounded once, to nearest even",
    arguments: [DType.f64, .f32, .f16, .bf16], [DType.f64, .f32, .f16, .bf16])
  func rounding(_ from: DType, _ to: DType) throws {
    let values = Self.values(4000, largest: 15)
    let adapter = try adapter(values, dtype: from)
    let converted = try adapter.converted(to: to)
    let found = try converted.blocks[0].a.load().values
    #expect(converted.blocks[0].a.dtype == to)
    #expect(found.count == values.count)
    let wrong = zip(values, found).filter { value, found in
      // `TestTensor` rounded once already, into what the source holds.
      let stored = RoundingOracle.rounded(value, to: from)
      return RoundingOracle.rounded(stored, to: to).bitPattern != found.bitPattern
    }
    #expect(wrong.prefix(3).map { "\($0)" } == [])
  }

  @Test("any range of bytes is a part of the whole", arguments: [DType.f64, .f16, .bf16])
  func ranges(_ dtype: DType) throws {
    let values = Self.values(200, largest: 10)
    let converted = try adapter(values, dtype: .f32).converted(to: dtype)
    let piece = converted.blocks[0].a.pieces[0]
    let whole = try piece.source.bytes(of: piece.index)
    #expect(whole.count == 200 * dtype.bitWidth / 8)
    for (start, count) in [(0, 1), (1, 1), (1, 2), (3, 7), (10, 0), (whole.count - 1, 1), (5, 190)]
    {
      #expect(
        try piece.source.bytes(of: piece.index, range: start..<(start + count))
          == Array(whole[start..<(start + count)]))
    }
  }

  static let overflows: [(DType, Double)] = [
    (.f16, 65520), (.f16, -65520), (.f16, 1e300), (.bf16, 0x1.ffp127), (.bf16, -1e39),
    (.f32, 0x1.ffffffp127), (.f32, .greatestFiniteMagnitude),
  ]

  @Test("an element that would become infinite is an error", arguments: overflows)
  func overflow(_ dtype: DType, _ value: Double) throws {
    let converted = try adapter([1, value, 2, 3], dtype: .f64).converted(to: dtype)
    let expected = AdapterError.overflow(
      source: converted.files[0], tensor: "a.lora_A", dtype: dtype, found: abs(value))
    #expect(throws: expected) { try converted.blocks[0].a.load() }
    #expect(throws: expected) { try converted.write(to: folder.file("y"), as: .reslora) }
    #expect(folder.entries == ["x"])
    // The largest that does not.
    let below = value.magnitude.nextDown
    guard RoundingOracle.rounded(below, to: dtype).isFinite else { return }
    let fits = try adapter([1, below, 2, 3], dtype: .f64).converted(to: dtype)
    #expect(
      try fits.blocks[0].a.load().values
        == [1, RoundingOracle.rounded(below, to: dtype), 2, 3])
  }

  @Test("what is not finite stays so", arguments: [DType.f32, .f16, .bf16])
  func nonFinite(_ dtype: DType) throws {
    let converted = try adapter([.nan, .infinity, -.infinity, 1], dtype: .f64)
      .converted(to: dtype)
    let found = try converted.blocks[0].a.load(allowingNonFinite: true).values
    #expect(found[0].isNaN)
    #expect(found[1...] == [.infinity, -.infinity, 1])
  }

  @Test("a plain LoRA is rounded once, too", arguments: [DType.f64, .f32, .f16, .bf16])
  func plainLoRA(_ dtype: DType) throws {
    let lora = MemoryLoRA([("a", 3, 700, 5), ("b", 900, 7, 2), ("c", 1, 1, 1)])
    let path = folder.file("plain")
    try lora.write(to: path, as: .hdf5, dtype: dtype)
    let read = try Adapter(path: path)
    for (index, block) in read.blocks.enumerated() {
      let factors = try lora.factors(of: index)
      for (found, exact) in [(block.a, factors.a), (block.b, factors.b)] {
        #expect(found.dtype == dtype)
        let values = try found.load().values
        #expect(values.count == exact.values.count)
        let wrong = zip(values, exact.values).filter {
          $0 != RoundingOracle.rounded($1, to: dtype)
        }
        #expect(wrong.prefix(3).map { "\($0)" } == [])
      }
    }
    let large = MemoryLoRA([("a", 2, 2, 1)], magnitude: 1e300)
    guard dtype != .f64 else { return }
    let error = #expect(throws: AdapterError.self) {
      try large.write(to: folder.file("large"), as: .reslora, dtype: dtype)
    }
    guard case .overflow(source: _, tensor: "a.lora_B", dtype: dtype, found: _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(folder.entries == ["plain"])
  }

  // MARK: What goes along

  /// z, then a after z, then b after a, of which only z is of F16; all with statistics.
  private func linked() throws -> Adapter {
    func base(_ block: String, _ cross: String) -> String {
      TestDescription.base([
        "tensor": "\"\(block).weight\"", "shape": "[4, 4]",
        "statistics": "{\"squared_norm\": 2, \"cross\": {\(cross)}}",
      ])
    }
    let blocks = [
      TestDescription.block("z", ["base": base("z", #""z": 1"#)]),
      TestDescription.block(
        "a", ["previous": #""z""#, "base": base("a", #""a": 1, "z": 2"#)]),
      TestDescription.block(
        "b",
        [
          "previous": #""a""#, "base": base("b", #""b": 3"#),
          "windows": #"{"input": [1], "capacity": 2}"#, "scaling": "0.1",
        ]),
    ]
    let text = TestDescription.text([
      "blocks": "[\(blocks.joined(separator: ","))]", "metadata": #"{"k": "v"}"#,
      "base_model": #""m""#,
    ])
    let tensors = [("z", DType.f16), ("a", .f32), ("b", .f32)].flatMap { name, dtype in
      [
        TestTensor(TensorName("\(name).lora_A"), [2, 4], dtype: dtype),
        TestTensor(TensorName("\(name).lora_B"), [4, 2], dtype: dtype),
      ]
    }
    try folder.write(tensors: tensors, metadata: [("reslora", text)], to: "linked")
    return try Adapter(path: folder.file("linked"))
  }

  @Test("statistics go where a factor changes that they were computed with (§1.6)")
  func statistics() throws {
    func kept(_ dtype: DType) throws -> [Bool] {
      try linked().converted(to: dtype).blocks.map { $0.base?.statistics != nil }
    }
    // To F32: z changes; the statistics of a use its A; those of b do not.
    #expect(try kept(.f32) == [false, false, true])
    // To F16: a and b change; z does not.
    #expect(try kept(.f16) == [true, false, false])
    #expect(try kept(.bf16) == [false, false, false])
    #expect(try linked().blocks.allSatisfy { $0.base?.statistics != nil })
    // The weight itself is known as before.
    let converted = try linked().converted(to: .bf16)
    #expect(
      converted.blocks.map(\.base?.tensor.name) == ["z.weight", "a.weight", "b.weight"])
    #expect(converted.blocks.allSatisfy { $0.base?.sha256 == TestDescription.hash })
  }

  @Test("everything else stays")
  func everythingElse() throws {
    let adapter = try linked()
    let converted = try adapter.converted(to: .f64)
    #expect(converted.links == adapter.links)
    #expect(converted.blocks.map(\.scaling) == [2, 2, 0.1])
    #expect(
      converted.blocks[2].windows == NormWindows(input: NormWindow([1]), capacity: 2))
    #expect(converted.provenance.baseModel == "m")
    #expect(converted.provenance.metadata.map(\.value) == ["v"])
    for (one, other) in zip(adapter.blocks, converted.blocks) {
      #expect(try one.a.load() == other.a.load())
      #expect(try one.b.load() == other.b.load())
    }
  }

  @Test("an adapter that is of the dtype already is left as it is")
  func unchanged() throws {
    let adapter = try adapter([1, 2, 3, 4], dtype: .bf16)
    let converted = try adapter.converted(to: .bf16)
    #expect(converted.blocks[0].a.pieces[0].source is ConvertedTensors == false)
    #expect(try converted.storedTensors().tensors.map(\.name) == ["a.lora_A", "a.lora_B"])
  }

  @Test(
    "stacked pairs are converted each",
    arguments: [AdapterOutputFormat.reslora, .hdf5, .safetensors].indices)
  func stacked(_ number: Int) throws {
    let format = [AdapterOutputFormat.reslora, .hdf5, .safetensors][number]
    let text = TestDescription.text(["blocks": "[\(TestDescription.block("a", ["pairs": "2"]))]"])
    let values = [1.0, 1 + 0x1p-9, -3, 0.3]
    try folder.write(
      tensors: [
        TestTensor("a.lora_A.0", [1, 4], dtype: .f64, values: values),
        TestTensor("a.lora_B.0", [2, 1], dtype: .f32),
        TestTensor("a.lora_A.1", [2, 4], dtype: .bf16),
        TestTensor("a.lora_B.1", [2, 2], dtype: .f16),
      ], metadata: [("reslora", text)], to: "stacked")
    let converted = try Adapter(path: folder.file("stacked")).converted(to: .bf16)
    let path = folder.file("out")
    try converted.write(to: path, as: format)
    let written = try Adapter(path: path).blocks[0]
    #expect(written.a.ranks == [1, 2])
    #expect((written.a.pieces + written.b.pieces).allSatisfy { $0.info.dtype == .bf16 })
    #expect(
      try written.a.load().values
        == values.map { RoundingOracle.rounded($0, to: .bf16) } + (1...8).map(Double.init))
    #expect(try written.b.load().values == [1, 1, 2, 2, 3, 4])
  }
}
