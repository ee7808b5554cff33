/// What a user may type that opens a file, by what the file stands for.
enum Opening {
  /// Base weights, or tensors of any kind.
  static func checkpoint(_ name: String) -> [[String]] {
    [
      ["inspect", name],
      ["inspect", "--json", "--stats", name],
      ["merge", name, "--method", "none", "-o", "out"],
      ["merge", "adapter", "--base", name, "-o", "out"],
      ["fold", "adapter", "--into", name, "-o", "out.safetensors"],
      ["convert", name, "out.h5"],
      ["diff", name, name],
    ]
  }

  /// An adapter.
  static func adapter(_ name: String, into base: String = "base.safetensors") -> [[String]] {
    [
      ["inspect", name],
      ["inspect", "--json", "--stats", name],
      ["merge", name, "--method", "none", "-o", "out"],
      ["fold", name, "--into", base, "-o", "out.safetensors"],
      ["convert", name, "out.reslora"],
      ["diff", name, name],
    ]
  }
}
