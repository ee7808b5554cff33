// swift-tools-version: 6.2
import PackageDescription

/// CI sets WARNINGS_AS_ERRORS=1; a user's newer compiler may warn about more than ours does.
let strict = Context.environment["WARNINGS_AS_ERRORS"] == "1"

let swiftSettings: [SwiftSetting] =
  [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
  ] + (strict ? [.treatAllWarnings(as: .error)] : [])

/// What ships also says `unsafe` wherever the compiler can't prove an access within bounds.
let moduleSettings = swiftSettings + [.strictMemorySafety()]

let cSettings: [CSetting] = strict ? [.treatAllWarnings(as: .error)] : []

/// Set by Tests/Fuzzing/run.py alone: its executable links with libFuzzer only.
let fuzzing = Context.environment["FUZZING"] == "1"

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: moduleSettings)
}

func tests(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

let fuzzingTargets: [Target] = [
  .systemLibrary(name: "CFuzzer", path: "Tests/Fuzzing/CFuzzer"),
  .executableTarget(
    name: "fuzzing",
    dependencies: [
      "CFuzzer", "Tensors", "ByteIO", "Safetensors", "HDF5", "ResLoRAContainer", "TorchCheckpoint",
      "Adapters", "FoldJobs",
    ], path: "Tests/Fuzzing/Sources", swiftSettings: swiftSettings),
]

let package = Package(
  name: "resloratool",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "resloratool", targets: ["resloratool"]),
    .library(
      name: "ResLoRA",
      targets: [
        "Tensors", "ByteIO", "Codecs", "Safetensors", "HDF5", "ResLoRAContainer", "TorchCheckpoint",
        "Adapters", "Activations", "Contents", "LinearAlgebra", "Replaying", "Merging", "Folding",
        "Planning", "FoldJobs", "MergeJobs", "Comparing", "Reports",
      ]
    ),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .systemLibrary(name: "CDeflate", providers: [.apt(["libdeflate-dev"]), .brew(["libdeflate"])]),
    .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(name: "CNettle", providers: [.apt(["nettle-dev"])]),
    .target(name: "CHDF5", cSettings: cSettings),
    .target(name: "CLAPACK", cSettings: cSettings),
    .systemLibrary(name: "CPlatform"),
    .target(name: "CKernels", cSettings: cSettings),

    module("Tensors", ["CKernels"]),
    module(
      "ByteIO",
      [
        "Tensors", "CPlatform", "CDeflate",
        .target(name: "CNettle", condition: .when(platforms: [.linux])),
      ]),
    module("Codecs", ["CKernels", "CDeflate", "CZstd"]),
    module("Safetensors", ["Tensors", "ByteIO"]),
    module("TorchCheckpoint", ["Tensors", "ByteIO", "CZlib"]),
    module("HDF5", ["Tensors", "ByteIO", "Codecs", "CHDF5", "CPlatform"]),
    module("ResLoRAContainer", ["Tensors", "ByteIO", "Codecs"]),
    module(
      "Adapters",
      ["Tensors", "ByteIO", "Safetensors", "TorchCheckpoint", "HDF5", "ResLoRAContainer"]),
    module("Activations", ["Tensors", "ByteIO", "Safetensors", "HDF5", "Adapters"]),
    module(
      "Contents",
      ["Tensors", "ByteIO", "Safetensors", "HDF5", "ResLoRAContainer", "Adapters", "Activations"]),
    module("LinearAlgebra", ["Tensors", "ByteIO", "CLAPACK"]),
    module("Replaying", ["Tensors", "ByteIO", "Adapters", "Activations", "LinearAlgebra"]),
    module(
      "Merging", ["Tensors", "ByteIO", "Adapters", "LinearAlgebra", "Activations", "Replaying"]),
    module("Folding", ["Tensors", "ByteIO", "Adapters", "CKernels"]),
    module("Planning", ["Tensors", "ByteIO"]),
    module(
      "FoldJobs",
      [
        "Tensors", "ByteIO", "Codecs", "Safetensors", "HDF5", "Adapters", "Activations", "Merging",
        "Folding", "Planning",
      ]),
    module(
      "MergeJobs",
      [
        "Tensors", "ByteIO", "Safetensors", "HDF5", "ResLoRAContainer", "Adapters", "Activations",
        "LinearAlgebra", "Merging", "Planning", "FoldJobs",
      ]),
    module("Comparing", ["Tensors", "ByteIO"]),
    module("Reports", ["Tensors", "ByteIO", "Adapters"]),
    .executableTarget(
      name: "resloratool",
      dependencies: [
        "Tensors", "ByteIO", "Safetensors", "HDF5", "ResLoRAContainer", "Adapters", "Activations",
        "Contents", "Replaying", "Merging", "Folding", "Planning", "FoldJobs", "MergeJobs",
        "Comparing", "Reports",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: moduleSettings
    ),

    .target(
      name: "TestSupport", dependencies: ["Tensors", "ByteIO"], path: "Tests/TestSupport",
      swiftSettings: swiftSettings),
    .target(
      name: "LoRATestSupport",
      dependencies: ["Adapters", "HDF5", "Safetensors", "ByteIO", "Tensors", "TestSupport"],
      path: "Tests/LoRATestSupport", swiftSettings: swiftSettings),
    .target(
      name: "FormatTestSupport",
      dependencies: ["ByteIO", "CHDF5", "CZlib", "HDF5", "Safetensors", "Tensors", "TestSupport"],
      path: "Tests/FormatTestSupport", swiftSettings: swiftSettings),
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "Tensors", "ByteIO", "HDF5", "ResLoRAContainer", "CKernels", "CLAPACK", "Safetensors",
        "Adapters", "Activations", "LinearAlgebra", "Replaying",
      ],
      path: "Tests/Benchmarks",
      exclude: [
        "fold.py", "fold_by_script.py", "container_h5py.py", "hdf5_h5py.py", "replay.py",
        "scale.py",
        "sparse_checkpoint.py",
      ],
      swiftSettings: swiftSettings),
    tests("TensorsTests", ["Tensors", "CKernels", "TestSupport"]),
    tests("ByteIOTests", ["ByteIO", "Tensors", "TestSupport"]),
    tests(
      "SafetensorsTests", ["Safetensors", "ByteIO", "Tensors", "TestSupport", "FormatTestSupport"]),
    tests("CodecsTests", ["Codecs", "CKernels", "TestSupport"]),
    tests(
      "HDF5Tests",
      [
        "HDF5", "CHDF5", "ByteIO", "Codecs", "Tensors", "TestSupport", "FormatTestSupport",
        "resloratool",
      ],
      exclude: ["Fixtures"]),
    tests(
      "ResLoRAContainerTests",
      ["ResLoRAContainer", "ByteIO", "Codecs", "Tensors", "TestSupport", "FormatTestSupport"]),
    tests(
      "ActivationsTests",
      [
        "Activations", "Adapters", "HDF5", "Safetensors", "ByteIO", "Tensors", "TestSupport",
        "LoRATestSupport",
      ]),
    tests(
      "TorchCheckpointTests",
      ["TorchCheckpoint", "ByteIO", "Tensors", "CZlib", "TestSupport", "FormatTestSupport"]),
    tests(
      "AdaptersTests",
      [
        "Adapters", "HDF5", "ResLoRAContainer", "Safetensors", "TorchCheckpoint", "ByteIO",
        "Tensors",
        "TestSupport", "LoRATestSupport",
      ]),
    tests(
      "ContentsTests",
      [
        "Contents", "Adapters", "Activations", "HDF5", "ResLoRAContainer", "Safetensors",
        "ByteIO", "Tensors", "TestSupport", "LoRATestSupport",
      ]),
    tests(
      "MergingTests",
      [
        "Merging", "LinearAlgebra", "Replaying", "Activations", "Adapters", "Safetensors", "ByteIO",
        "Tensors", "TestSupport", "LoRATestSupport",
      ]),
    tests("LinearAlgebraTests", ["LinearAlgebra", "Tensors", "TestSupport"]),
    tests(
      "ReplayingTests",
      [
        "Replaying", "Merging", "LinearAlgebra", "Activations", "Adapters", "Safetensors", "ByteIO",
        "Tensors", "TestSupport", "LoRATestSupport",
      ]),
    tests(
      "FoldingTests",
      [
        "Folding", "Merging", "Adapters", "Safetensors", "ByteIO", "Tensors", "CKernels",
        "TestSupport", "LoRATestSupport",
      ]),
    tests(
      "FoldJobsTests",
      [
        "FoldJobs", "Planning", "Folding", "Merging", "Adapters", "Codecs", "Safetensors", "ByteIO",
        "Tensors", "TestSupport", "LoRATestSupport",
      ]),
    tests("PlanningTests", ["Planning", "ByteIO", "Tensors", "TestSupport"]),
    tests(
      "MergeJobsTests",
      [
        "MergeJobs", "FoldJobs", "Planning", "Merging", "Activations", "Adapters",
        "ResLoRAContainer",
        "Safetensors", "ByteIO", "Tensors", "TestSupport", "LoRATestSupport",
      ]),
    tests("ComparingTests", ["Comparing", "Tensors", "TestSupport"]),
    tests("ReportsTests", ["Reports", "Adapters", "ByteIO", "Tensors", "TestSupport"]),
    .testTarget(
      name: "CLITests",
      dependencies: [
        "resloratool", "Adapters", "Activations", "Contents", "HDF5", "ResLoRAContainer",
        "Safetensors", "ByteIO", "Tensors", "TestSupport", "LoRATestSupport",
      ], exclude: ["Goldens"], swiftSettings: swiftSettings),
    .testTarget(
      name: "InteroperabilityTests",
      dependencies: [
        "resloratool", "Adapters", "Activations", "ResLoRAContainer", "ByteIO", "Tensors",
        "TestSupport", "LoRATestSupport",
      ], exclude: ["reference.py"], swiftSettings: swiftSettings),
    .testTarget(
      name: "HostileTests",
      dependencies: [
        "resloratool", "ByteIO", "CHDF5", "Codecs", "HDF5", "ResLoRAContainer", "Safetensors",
        "Tensors", "TestSupport", "LoRATestSupport", "FormatTestSupport",
      ], swiftSettings: swiftSettings),
  ] + (fuzzing ? fuzzingTargets : []),
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)
