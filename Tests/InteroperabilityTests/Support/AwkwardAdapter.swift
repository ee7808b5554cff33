import ByteIO
import LoRATestSupport
import Tensors
import TestSupport
import Testing

/// Adapters whose content a careless conversion changes, with the text of their descriptions as
/// Adapter §2.5 fixes it, written out.
struct AwkwardAdapter: CustomTestStringConvertible {
  static let all = [stacked, single]

  let testDescription: String
  let description: String
  let tensors: [TestTensor]

  func write(to name: String, in folder: TemporaryFolder) throws {
    try folder.write(tensors: tensors, metadata: [("reslora", description)], to: name)
  }

  /// Values at the ends of a dtype, of both signs: zeros, subnormals, the largest.
  static func extremes(_ dtype: DType, _ count: Int) -> [Double] {
    let (least, largest): (Double, Double) =
      switch dtype {
      case .f16: (0x1p-24, 65504)
      case .bf16: (0x1p-133, 0x1.fep127)
      case .f32: (0x1p-149, 0x1.fffffep127)
      default: (.leastNonzeroMagnitude, .greatestFiniteMagnitude)
      }
    let values = [-0.0, 0, least, -least, 3 * least, largest, -largest, 1, -1.5]
    return (0..<count).map { values[$0 % values.count] }
  }

  private static func factors(
    _ block: String, _ ranks: [Int], _ dtypes: [DType]
  ) -> [TestTensor] {
    ranks.enumerated().flatMap { pair, rank in
      [("lora_A", [rank, 5]), ("lora_B", [3, rank])].enumerated().map { side, factor in
        let suffix = ranks.count == 1 ? "" : ".\(pair)"
        let dtype = dtypes[(2 * pair + side) % dtypes.count]
        return TestTensor(
          TensorName("\(block).\(factor.0)\(suffix)"), factor.1, dtype: dtype,
          values: extremes(dtype, factor.1[0] * factor.1[1]))
      }
    }
  }

  private static let hash = String(repeating: "0123456789abcdef", count: 4)

  /// Middle shortcuts, stacked pairs of mixed dtypes, everything stated.
  private static let stacked = AwkwardAdapter(
    testDescription: "stacked pairs, odd names",
    description:
      #"{"format":"reslora-adapter","version":1,"structure":"ms","root":"none","pre_num":1,"#
      + #""base_model":"Größe \"x\"\\/","metadata":{" ":"","%":"50%","..":"dots","/":"\n\r\t\b\f\u001f","e\#u{301}":"a","é":"b"},"#
      + #""blocks":[{"name":".","scaling":-0,"previous":null,"pairs":2,"#
      + #""windows":{"input":[0,-0,5e-324,1.7976931348623157e+308,0.1],"capacity":5},"#
      + #""base":{"tensor":"w/%.é","dtype":"BF16","shape":[3,5],"sha256":"\#(hash)","#
      + #""statistics":{"squared_norm":1e-7,"cross":{".":-5e-324}}}},"#
      + #"{"name":"..","scaling":1e+21,"previous":".","pairs":2,"#
      + #""windows":{"projection":[123456789012345680000],"capacity":9223372036854775807},"#
      + #""base":{"tensor":"w","dtype":"F8_E4M3","shape":[3,5],"sha256":"\#(hash)","#
      + #""statistics":{"squared_norm":0,"cross":{".":1e+300,"..":-0}}}},"#
      + #"{"name":"a/b%2F.x","scaling":0.30000000000000004,"previous":"..","pairs":2,"#
      + #""windows":{"input":[1],"projection":[2,3]}},"#
      + #"{"name":"e\#u{301}","scaling":1,"previous":"a/b%2F.x","pairs":2},"#
      + #"{"name":"é","scaling":-1e-7,"previous":"a/b%2F.x","pairs":2,"#
      + #""base":{"tensor":"w","dtype":"F32","shape":[3,5],"sha256":"\#(hash)"}},"#
      + #"{"name":"\"\\\t🙂\#u{7f}","scaling":2,"previous":null,"pairs":2}]}"#,
    tensors: [".", "..", "a/b%2F.x", "e\u{301}", "é", "\"\\\t🙂\u{7f}"].enumerated().flatMap {
      factors($1, [2, 1], [[.f32, .bf16, .f64, .f16], [.f16], [.bf16, .f32]][$0 % 3])
    })

  /// The least that an adapter states.
  private static let single = AwkwardAdapter(
    testDescription: "one block",
    description:
      #"{"format":"reslora-adapter","version":1,"structure":"bs","root":"self","pre_num":-1,"#
      + #""blocks":[{"name":"/","scaling":4,"previous":null}]}"#,
    tensors: factors("/", [1], [.bf16, .f64]))

  /// An adapter of several chunks in every format.
  static func writeLarge(to name: String, in folder: TemporaryFolder) throws {
    let source = try MemoryTensorSource.random([
      ("x.lora_A", .f32, [16, 24_000]), ("x.lora_B", .bf16, [40_000, 16]),
      ("y.lora_A", .f16, [1, 300_000]), ("y.lora_B", .f64, [3, 1]),
    ])
    let tensors = try source.tensors.indices.map { index in
      TestTensor(
        source.tensors[index].name, source.tensors[index].shape,
        dtype: source.tensors[index].dtype, values: try source.float64(of: index))
    }
    let description =
      #"{"format":"reslora-adapter","version":1,"structure":"plain","blocks":"#
      + #"[{"name":"x","scaling":1},{"name":"y","scaling":1}]}"#
    try folder.write(tensors: tensors, metadata: [("reslora", description)], to: name)
  }
}

/// Activations whose content a careless conversion changes.
enum AwkwardActivations {
  static func write(to name: String, in folder: TemporaryFolder) throws {
    let dtypes: [DType] = [.f32, .bf16, .f64, .f16]
    let tensors = [".", "..", "a/%2F", "é"].enumerated().map { number, name in
      TestTensor(
        TensorName(name), [7, number + 1], dtype: dtypes[number],
        values: AwkwardAdapter.extremes(dtypes[number], 7 * (number + 1)))
    }
    let map = #"{".":"..","..":".","b/%":"a/%2F","e\#u{301}":"é","é":"é"}"#
    try folder.write(
      tensors: tensors, metadata: [(" ", ""), ("%/", "\u{1}\n"), ("inputs", map), ("é", "🙂")],
      to: name)
  }
}
