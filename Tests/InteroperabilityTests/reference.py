"""What other libraries make of files of ours, for the tests beside this file.

    python reference.py safetensors PATH...   re-saves each; prints "same" or the first difference
    python reference.py bf16 PATH DATASET     prints the type h5py gives, the values it reads as
                                              float32, and the 16 bits as Adapter in HDF5 §1.5 says
"""

import sys

import h5py
import numpy as np
import safetensors


def resaved(path):
    """The file, and its tensors and metadata as the reference implementation writes them."""
    with open(path, "rb") as file:
        content = file.read()
    entries = dict(safetensors.deserialize(content))
    specs, buffers = {}, []
    with safetensors.safe_open(path, "np") as file:
        assert set(file.keys()) == set(entries)
        for name, entry in entries.items():
            buffer = np.frombuffer(bytes(entry["data"]), "u1")
            buffers.append(buffer)
            specs[name] = safetensors.TensorSpec(
                dtype=DTYPES[entry["dtype"]], shape=entry["shape"],
                data_ptr=buffer.ctypes.data, data_len=buffer.nbytes,
            )
            assert file.get_slice(name).get_shape() == entry["shape"]
            if entry["dtype"] != "BF16":  # NumPy has no such type
                tensor = file.get_tensor(name)
                assert tensor.dtype.name == DTYPES[entry["dtype"]]
                assert tensor.tobytes() == bytes(entry["data"])
        return content, bytes(safetensors.serialize(specs, file.metadata()))


DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "BOOL": "bool",
}


def compare(path):
    found, expected = resaved(path)
    for position, (ours, theirs) in enumerate(zip(found, expected)):
        if ours != theirs:
            return f"byte {position}: {found[position:position + 40]} {expected[position:position + 40]}"
    return "same" if len(found) == len(expected) else f"{len(found)} bytes, {len(expected)}"


def bf16(path, name):
    with h5py.File(path) as file:
        dataset = file[name]
        bits = np.empty(dataset.shape, "<u2")
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, bits, mtype=dataset.id.get_type())
        print(dataset.dtype)
        print(*(dataset[()].astype("<f4").view("<u4") >> 16).ravel())
        print(*bits.ravel())


if __name__ == "__main__":
    if sys.argv[1] == "safetensors":
        for path in sys.argv[2:]:
            print(compare(path))
    else:
        bf16(*sys.argv[2:])
