/// Safetensors files as tests describe them, right or wrong.
package enum TestHeader {
  /// A file of a header's text and as many zeros of data.
  package static func file(_ header: String, data: Int = 0) -> [UInt8] {
    file(Array(header.utf8), data: data)
  }

  package static func file(_ header: [UInt8], data: Int = 0) -> [UInt8] {
    length(UInt64(header.count)) + header + [UInt8](repeating: 0, count: data)
  }

  /// The eight bytes before the header.
  package static func length(_ length: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) }
  }

  /// One entry; name and values as they stand in the text.
  package static func entry(
    _ name: String = "x", dtype: String = "F32", shape: String = "[1]", offsets: String = "[0,4]"
  ) -> String {
    #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }
}
