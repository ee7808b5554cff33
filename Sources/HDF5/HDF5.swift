public import ByteIO
internal import Tensors
public enum HDF5Reading: Sendable { case inProcess; case isolated(executable: String) }
public final class HDF5File: Sendable {
  public static func isHDF5(prefix: [UInt8]) -> Bool { false }
  public init(file: ReadableFile, reading: HDF5Reading) throws {}
}
