/// What a file may hold, so that listing it ends soon and fits in memory.
struct ListingLimits {
  /// Groups, datasets and everything else that is linked to.
  var objects = 1_000_000
  /// Attributes of one object.
  var attributes = 100_000
  /// Groups inside groups.
  var depth = 16
  /// Bytes of a link's or attribute's name: 4 KiB, each byte escaped (Adapter in HDF5 §1.4).
  var nameSize = 3 * 4096
  /// Bytes of all attributes' values.
  var attributeBytes = 64 << 20
  /// Filters of one dataset.
  var filters = 32
  /// Bytes of the paths of all objects, which say the names of their groups again.
  var pathBytes = 256 << 20
  /// Bytes of the message.
  var messageBytes = 128 << 20
}
