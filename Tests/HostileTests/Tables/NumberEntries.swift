import ByteIO
import Foundation
import FormatTestSupport
import HDF5
import LoRATestSupport
import Safetensors
import TestSupport
import Tensors
import Testing

/// Numbers that are none: refused where they would enter a result, unless `--allow-nonfinite`.
enum NumberEntries {
  static let all =
    factors + weights + windows + activations + overflow
    + (MemoryLimits.arePossible ? [large] : [])

  // MARK: Memory

  /// A factor within every limit, of zeros that no disk holds, that takes three times the memory there is.
  private static let large: HostileCase = {
    let size = 512 << 20
    let header =
      "{\(TestHeader.entry("\(prefix)A.weight", shape: "[1,\(size / 4)]", offsets: "[0,\(size)]")),"
      + "\(TestHeader.entry("\(prefix)B.weight", shape: "[1,1]", offsets: "[\(size),\(size + 4)]"))}"
    let line =
      "x/adapter_model.safetensors: tensor '\(prefix)A.weight': more memory than this process may use "
      + "(needed \(3 * size) bytes); raise its limit"
    return HostileCase(
      nil, "a factor larger than memory", [.refused("merge x --rank 1 -o out", line, status: 4)]
    ) { folder in
      _ = folder.folder("x")
      try folder.write(
        text: #"{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q"]}"#,
        to: "x/adapter_config.json")
      let file = TestHeader.file(header)
      let path = try folder.write(file, to: "x/adapter_model.safetensors")
      try FileSystem.truncate(path, to: file.count + size + 4)
    }
  }()

  private static let prefix = "base_model.model.l.0.q.lora_"

  // MARK: A and B

  private static let module = "l.0.q"

  /// `x`, a PEFT folder, and `w.safetensors`, which it fits.
  private static func write(
    to folder: TemporaryFolder, a: Double = 1, b: Double = 1, w: Double = 1, _ dtype: DType = .f32
  ) throws {
    _ = folder.folder("x")
    try folder.write(text: PEFTTestFolder.config.text, to: "x/adapter_config.json")
    func values(_ first: Double, _ count: Int) -> [Double] {
      [first] + [Double](repeating: 1, count: count - 1)
    }
    try folder.write(
      tensors: [
        TestTensor("base_model.model.l.0.q.lora_A.weight", [2, 4], values: values(a, 8)),
        TestTensor("base_model.model.l.0.q.lora_B.weight", [4, 2], values: values(b, 8)),
      ], to: "x/adapter_model.safetensors")
    try folder.write(
      tensors: [TestTensor("l.0.q.weight", [4, 4], dtype: dtype, values: values(w, 16))],
      to: "w.safetensors")
  }

  private static let merge = "merge x --method none -o out"
  private static let fold = "fold x --into w.safetensors -o out.safetensors"
  private static let keep = " --allow-nonfinite"

  private static func factor(
    _ title: String, _ letter: String, _ value: Double, a: Double = 1, b: Double = 1
  ) -> HostileCase {
    let tensor = "base_model.model.l.0.q.lora_\(letter).weight"
    let line =
      "x/adapter_model.safetensors: tensor '\(tensor)': not finite (found \(value)); "
      + "pass --allow-nonfinite to go on"
    return HostileCase(
      nil, title,
      [
        .refused(merge, line), .refused(fold, line),
        // Nothing is computed: bits are copied.
        .accepted("convert x out.reslora", creates: ["out.reslora"]),
        .accepted("inspect --json --stats x") { outcome in
          let tensors = try #require(try outcome.json()["tensors"]?.array)
          let counts = tensors.map { $0.object?["stats"]?.object?.integer("nonfinite") }
          #expect(counts.compactMap(\.self).reduce(0, +) == 1)
        },
        .accepted("validate x") {
          #expect(
            $0.output == "x: PEFT folder: valid\n  warning: x: tensor '\(tensor)': "
              + "1 of 8 elements are not finite [Adapter §1.3]\n")
        },
        .accepted(merge + keep, creates: ["out"]),
        .accepted(fold + keep, creates: ["out.safetensors"]) {
          #expect($0.output.hasSuffix("\n"))
        },
      ]
    ) { try write(to: $0, a: a, b: b) }
  }

  private static let factors = [
    factor("NaN in A", "A", .nan, a: .nan), factor("NaN in B", "B", .nan, b: .nan),
    factor("an infinity in A", "A", .infinity, a: .infinity),
    factor("an infinity in B", "B", -.infinity, b: -.infinity),
  ]

  // MARK: The rest of an input

  /// `is`, an adapter of input shortcuts and what belongs to it, one number changed.
  private static func shortcuts(
    _ title: String, _ runs: [HostileRun],
    _ change: @escaping @Sendable (TemporaryFolder) throws -> Void
  ) -> HostileCase {
    HostileCase(nil, title, runs) { folder in
      try FileManager.default.copyItem(
        atPath: TestFiles.fixture("synthetic/is-basic"), toPath: folder.file("is"))
      try change(folder)
    }
  }

  /// Makes the first element of a tensor NaN.
  private static func poison(_ path: String, _ tensor: TensorName, in folder: TemporaryFolder)
    throws
  {
    let file = try SafetensorsFile(path: folder.file(path))
    let index = try #require(file.index(of: tensor))
    let (_, offset) = file.location(of: index)
    try FileSystem.overwrite(
      folder.file(path), at: offset,
      with: Conversion.bytes(from: [.nan], dtype: file.tensors[index].dtype))
  }

  private static let goOn = "pass --allow-nonfinite to go on"
  private static let merging = "merge is/adapter --base is/base.safetensors -o out --method "
  private static let folding =
    "fold is/adapter --into is/base.safetensors -o out.safetensors --method "
  private static let verifying =
    "verify is/adapter --base is/base.safetensors "
    + "--activations is/activations-heldout.safetensors --method "
  private static let calibration = " --calibration is/activations-calibration.safetensors"

  private static let weights = [
    HostileCase(
      nil, "NaN in W",
      [
        .refused(
          fold,
          "w.safetensors: not finite: 'l.0.q.weight'; pass --allow-nonfinite to keep NaN and "
            + "infinities"),
        .refused(
          merge + " --base w.safetensors",
          "w.safetensors: tensor 'l.0.q.weight': not finite; \(goOn)"),
        .accepted(fold + keep, creates: ["out.safetensors"]),
      ]
    ) { try write(to: $0, w: .nan) },
    shortcuts(
      "NaN in W that a merge measures",
      [
        merging + "bw", folding + "bw", verifying + "bw",
        "convert is/adapter out.reslora --base is/base.safetensors",
      ].map {
        .refused(
          $0,
          "is/base.safetensors: tensor 'model.layers.0.self_attn.q_proj.weight': not finite; "
            + goOn)
      }
    ) {
      try poison("is/base.safetensors", "model.layers.0.self_attn.q_proj.weight", in: $0)
    },
  ]

  private static func badNorm(_ found: String) -> String {
    "block 'model.layers.0.self_attn.q_proj': bad norm in the input window "
      + "(found \(found), expected a finite number from 0 on)"
  }

  private static let windows =
    [
      ("NaN in the windows", "NaN", "not valid JSON: expected a value at byte 47"),
      ("a window beyond float64", "1e999", badNorm("1e999")),
      ("a negative norm", "-1.5", badNorm("-1.5")),
      ("a window without a number", "null", badNorm("null")),
    ].map { title, number, reason in
      shortcuts(
        title,
        [
          .refused(merging + "bi --windows w.json", "w.json: \(reason)"),
          .refused(folding + "bi --windows w.json", "w.json: \(reason)"),
          .refused("convert is/adapter out.reslora --windows w.json", "w.json: \(reason)"),
          .refused("inspect w.json", "w.json: \(reason)"),
        ]
      ) {
        try $0.write(
          text: #"{"model.layers.0.self_attn.q_proj": {"input": [\#(number)]}}"#, to: "w.json")
      }
    } + [stored]

  /// HDF5 holds NaN where JSON has no word for it.
  private static let stored = HostileCase(
    nil, "NaN in the windows of an adapter in HDF5",
    Opening.adapter(HDF5Adapter.name).map {
      .refused(
        $0,
        "x.h5: block 'q': bad norm in the input window "
          + "(found nan, expected a finite number from 0 on) [Adapter §1.5]")
    }
  ) { folder in
    try HDF5Adapter.sketch.changed([
      "/blocks/q/windows@capacity": .attribute(.integer(2)),
      "/blocks/q/windows/input": .doubles([1, .nan]),
    ]).write(to: folder.file(HDF5Adapter.name))
  }

  private static func notFinite(_ part: String) -> String {
    "is/activations-\(part).safetensors: tensor 'model.layers.0.self_attn': row 0 is not finite; "
      + "capture it again, or " + goOn
  }

  private static let activations = [
    shortcuts(
      "NaN in the activations measured on",
      [
        .refused(verifying + "bw", notFinite("heldout")),
        .accepted(
          verifying + "bw" + keep,
          warning: "warning: 4 of 10 blocks have no error by bw, and means leave them out: "
            + "'model.layers.0.self_attn.q_proj', 'model.layers.0.self_attn.v_proj', "
            + "'model.layers.1.self_attn.q_proj', 'model.layers.1.self_attn.v_proj'"),
      ]
    ) { try poison("is/activations-heldout.safetensors", "model.layers.0.self_attn", in: $0) },
    shortcuts(
      "NaN in the activations fitted on",
      ["ls", "calibrated"].flatMap { method -> [HostileRun] in
        let options = method + calibration
        return [
          .refused(merging + options, notFinite("calibration")),
          .refused(folding + options, notFinite("calibration")),
          .refused(verifying + options, notFinite("calibration")),
          .accepted(
            "\(merging)\(options)\(keep) -o out-\(method)",
            warning: method == "ls"
              ? ""
              : "warning: 2 of 8 blocks are not fitted, for numbers that are not finite: "
                + "'model.layers.1.self_attn.q_proj', 'model.layers.1.self_attn.v_proj'",
            creates: ["out-\(method)"]),
        ]
      }
    ) { try poison("is/activations-calibration.safetensors", "model.layers.0.self_attn", in: $0) },
  ]

  // MARK: Overflow

  private static let wider =
    "in 'l.0.q.weight'; choose a wider --dtype, or pass --allow-nonfinite to keep infinities"

  private static let overflow = [
    HostileCase(
      nil, "a fold beyond float16",
      [
        .refused(fold, "w.safetensors: 1 elements overflow F16 when folded, \(wider)"),
        .accepted(fold + keep, creates: ["out.safetensors"]),
        .accepted("inspect --json --stats out.safetensors") { outcome in
          let tensor = try outcome.json()["tensors"]?.array?.first?.object
          #expect(tensor?["stats"]?.object?.integer("nonfinite") == 1)
        },
      ]
    ) { try write(to: $0, b: 16, w: 65504, .f16) },
    HostileCase(
      nil, "a result beyond float16",
      [
        .refused(
          merge + " --dtype f16",
          "the merged adapter: tensor 'l.0.q.lora_A': does not fit F16 (found 1000000.0); "
            + "write it with a wider --dtype"),
        .refused(
          "convert x out.reslora --dtype f16",
          "x: tensor 'l.0.q.lora_A': does not fit F16 (found 1000000.0); "
            + "write it with a wider --dtype"),
        .refused(
          fold + " --dtype f16", "w.safetensors: 4 elements overflow F16 when folded, \(wider)"),
      ]
    ) { try write(to: $0, a: 1e6) },
  ]
}
