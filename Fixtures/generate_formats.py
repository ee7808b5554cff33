#!/usr/bin/env python3
"""Make the golden files of a version of the formats; see README.md.

Needs the package of Spec/python (with numpy, h5py, zstandard) and a built resloratool:

    python Fixtures/generate_formats.py .build/release/resloratool Fixtures/formats/v1

The folder must not be there: files of a version that was released are never made anew.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import numpy as np  # noqa: E402
from reslora_formats import (  # noqa: E402
    Adapter, BaseWeight, Block, NormWindows, Pair, Statistics, Tensor,
    write_activations, write_adapter, write_windows,
)
from reslora_formats import jsontext  # noqa: E402
from reslora_formats.activations import Activations, TensorMatrix  # noqa: E402
from reslora_formats.dump import dump, dump_activations, dump_adapter, dump_windows  # noqa: E402

HASH = "0123456789abcdef" * 4
#: The endings of an adapter's files, and what the container is compressed with.
FORMS = {".safetensors": "auto", ".h5": "auto"}
COMPRESSED = {f"-{choice}.reslora": choice for choice in ("none", "zlib", "zstd")}


def random(seed):
    return np.random.Generator(np.random.PCG64(seed))


def pair(generator, dtypes, rank, into, out):
    """Factors of few different values, which compress; with the ends of their dtypes."""
    def factor(shape, dtype):
        values = generator.integers(-8, 9, shape) / 64
        values.flat[0], values.flat[-1] = -0.0, {"F64": 5e-324, "F32": 2.0**-149,
                                                 "F16": 2.0**-24, "BF16": 2.0**-133}[dtype]
        return Tensor.rounded(values, dtype)
    return Pair(factor((rank, into), dtypes[0]), factor((out, rank), dtypes[1]))


def middle_shortcut():
    """Everything that an adapter can state, in names that a careless reader changes."""
    generator = random(1)
    names = ["a/b%2F.gro\u0308ße", "a/b%2F.größe", '\t"\\🙂', "."]
    # Of each block: dtypes of the first pair and of the second, ranks, in, out. The first A is large
    # enough for chunks in HDF5. Linked blocks agree in ranks and in features.
    shapes = [
        (("F64", "BF16"), ("F32", "F16"), (8, 2), 64, 6),
        (("BF16", "F32"), ("F16", "F16"), (8, 2), 64, 3),
        (("F16", "F64"), ("F16", "BF16"), (8, 2), 64, 3),
        (("F32", "F32"), ("F32", "F32"), (1, 3), 4, 5),
    ]
    blocks = [
        Block(name, scaling, [pair(generator, kinds, rank, into, out)
                              for kinds, rank in zip(dtypes, ranks)])
        for name, scaling, (*dtypes, ranks, into, out)
        in zip(names, (1 / 3, 2.0, -1e-7, 1e21), shapes)
    ]
    blocks[1].previous, blocks[2].previous = names[0], names[1]
    blocks[0].windows = NormWindows([0.1, 5e-324, 1e300, 0.0], [1.5, 123456789.0, 2.0, 1 / 3])
    blocks[1].windows = NormWindows([], [2.0**60], 7)
    blocks[3].windows = NormWindows([1.0] * 150, [], 2**40)
    blocks[0].base = BaseWeight("a/b.weight", "F8_E4M3", (6, 64), HASH)
    blocks[1].base = BaseWeight("w", "BF16", (3, 64), HASH[::-1],
                                Statistics(6.02e23, {names[0]: -1e-9, names[1]: 0.25}))
    return Adapter("ms", blocks, root="none", pre_num=1, base_model="bäse/\"model\"", metadata={
        "größe": "\u00e9 e\u0301", "empty": "", "a/b": "\n\r\x01\x7f", ".": "dot", "50%": "1"})


def small(structure, dtype):
    generator = random(len(structure))
    blocks = [Block(f"layer.{n}.q_proj", 2.0, [pair(generator, (dtype, dtype), 2, 6, 6)])
              for n in range(2)]
    if structure != "plain":
        blocks[1].previous = blocks[0].name
    return Adapter(structure, blocks, pre_num=4 if structure == "bs" else -1)


def windows_content(windows):
    return {"kind": "windows",
            "blocks": {name: dump_windows(value) for name, value in windows.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", type=Path, help="the built resloratool")
    parser.add_argument("folder", type=Path, help="the folder to make")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True)
    contents, files = {}, {}

    def make(name, ending, content, write, arguments=()):
        """The file by the package, and by the tool; one file where both write the same bytes."""
        path = folder / f"{name}-python{ending}"
        write(path)
        ours = folder / f"{name}-swift{ending}"
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / path.name
            write(source)
            subprocess.run([options.tool, "convert", source, ours, "--quiet", *arguments],
                           check=True, stdout=subprocess.DEVNULL)
        contents[name] = jsontext.sorted_members(content)
        if ours.read_bytes() == path.read_bytes():
            ours.unlink()
            path = path.rename(folder / f"{name}{ending}")
            files[path.name] = name
        else:
            files[path.name] = files[ours.name] = name

    adapters = {"is": small("is", "F32"), "bs": small("bs", "F16"),
                "plain": small("plain", "BF16"), "ms": middle_shortcut()}
    for name, adapter in adapters.items():
        forms = FORMS | COMPRESSED if name == "ms" else FORMS | {".reslora": "auto"}
        for ending, compression in forms.items():
            make(name, ending, dump_adapter(adapter),
                 lambda path: write_adapter(adapter, path, compression=compression),
                 [] if compression == "auto" else ["--compression", compression])

    windows = {"a/b": NormWindows([0.1, 1e300], [5e-324]), "größe": NormWindows([], [3.0, 0.0])}
    make("windows", ".json", windows_content(windows), lambda path: write_windows(windows, path))
    long = {"x/%": NormWindows([0.5] * 120, [1.0], 120), "größe": NormWindows([2.0], [], 3),
            "y": NormWindows([], [0.1, 1e300])}
    for ending in (".json", ".h5"):
        make("windows-capacity", ending, windows_content(long),
             lambda path: write_windows(long, path))

    generator = random(9)
    inputs = {
        name: TensorMatrix(Tensor.rounded(generator.integers(-99, 99, (64, width)) / 64, kind))
        for name, kind, width in
        (("layer.0", "F16", 8), ("a/%.größe", "BF16", 3), ("..", "F32", 16), ("é", "F64", 1))
    }
    blocks = {"q": "layer.0", "v": "layer.0", "b/c": "a/%.größe", "gro\u0308ße": "..", "é": "é"}
    metadata = {"note": "é\n", "%/": ""}
    for ending in (".safetensors", ".h5"):
        make("activations", ending, dump_activations(Activations(inputs, blocks, metadata)),
             lambda path: write_activations(path, inputs, blocks, metadata))

    for file, name in files.items():
        if not name.startswith("windows"):
            assert jsontext.sorted_members(dump(folder / file)) == contents[name], file
    text = jsontext.indented({"contents": contents, "files": files})
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
