"""`torch.save` archives of flat tensor dictionaries, without torch.

The writer reproduces what PyTorch 2.x writes: a stored zip whose entries start at multiples of 64
bytes (padding sits in the extra field), data descriptors, no dates, a zip64 end record, and a
protocol 2 pickle. `torch` need not be installed: stand-ins give the pickle its global names.
"""

import hashlib
import io
import pickle
import struct
import sys
import types
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from unittest import mock

import numpy as np

from .safetensors_io import NUMPY_TYPES, Tensor

STORAGE_NAMES = {
    "F16": "HalfStorage", "BF16": "BFloat16Storage", "F32": "FloatStorage", "F64": "DoubleStorage",
}
FLAGS = 0x0808  # sizes follow the data; names are UTF-8


@dataclass(eq=False)
class Storage:
    """One `data/N` entry; several views may share it."""

    dtype: str
    data: bytes
    key: str = ""

    def count(self):
        return len(self.data) // np.dtype(NUMPY_TYPES[self.dtype]).itemsize


@dataclass(eq=False)
class View:
    """A tensor: a strided window on a storage, as a parameter or as a plain tensor."""

    storage: Storage
    offset: int
    shape: tuple
    stride: tuple
    parameter: bool = True

    def __reduce__(self):
        tensor = PlainTensor(self)
        if not self.parameter:
            return tensor.__reduce__()
        return GLOBALS["torch._utils"]._rebuild_parameter, (tensor, True, OrderedDict())


class PlainTensor:
    """The tensor inside a parameter."""

    def __init__(self, view):
        self.view = view

    def __reduce__(self):
        view = self.view
        state = (view.storage, view.offset, view.shape, view.stride, False, OrderedDict())
        return GLOBALS["torch._utils"]._rebuild_tensor_v2, state


def stand_ins():
    """Modules `torch` and `torch._utils` holding just the names a pickle refers to."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for module, names in ((torch, STORAGE_NAMES.values()),
                          (utils, ("_rebuild_tensor_v2", "_rebuild_parameter"))):
        for name in names:
            setattr(module, name, type(name, (), {"__module__": module.__name__}))
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}


GLOBALS = stand_ins()


class Pickler(pickle.Pickler):
    """Replaces storages by persistent ids and collects them in order of appearance."""

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.storages = []

    def persistent_id(self, item):
        if not isinstance(item, Storage):
            return None
        if item not in self.storages:
            item.key = str(len(self.storages))
            self.storages.append(item)
        kind = getattr(GLOBALS["torch"], STORAGE_NAMES[item.dtype])
        return ("storage", kind, item.key, "cpu", item.count())


def contiguous(tensor, parameter=True):
    """`tensor` in a storage of its own."""
    rows, columns = tensor.shape
    return View(Storage(tensor.dtype, tensor.data), 0, (rows, columns), (columns, 1), parameter)


def transposed(tensor):
    """`tensor` stored column by column, seen through a non-contiguous view."""
    rows, columns = tensor.shape
    array = np.frombuffer(tensor.data, NUMPY_TYPES[tensor.dtype]).reshape(rows, columns)
    return View(Storage(tensor.dtype, array.T.tobytes()), 0, (rows, columns), (1, rows))


def sharing(first, second):
    """Two tensors of one dtype as views of one storage, the second at an offset."""
    storage = Storage(first.dtype, first.data + second.data)
    offset = first.shape[0] * first.shape[1]
    return (View(storage, 0, first.shape, (first.shape[1], 1)),
            View(storage, offset, second.shape, (second.shape[1], 1)))


def write_torch(path, views):
    """Write `{name: View}` as `torch.save(dictionary, path)` does."""
    buffer = io.BytesIO()
    with mock.patch.dict(sys.modules, GLOBALS):
        pickler = Pickler(buffer)
        pickler.dump(views)
    records = [("data.pkl", buffer.getvalue()), ("byteorder", b"little")]
    for storage in sorted(pickler.storages, key=lambda s: s.key):
        records.append((f"data/{storage.key}", storage.data))
    records.append(("version", b"3\n"))
    records.append((".data/serialization_id", serialization_id(records)))
    path.write_bytes(zip_archive(path.stem, records))


def serialization_id(records):
    """Forty digits that depend on the content alone (PyTorch uses a hash of its own)."""
    digest = hashlib.sha256(b"".join(name.encode() + data for name, data in records)).hexdigest()
    return b"%040d" % (int(digest, 16) % 10**40)


def zip_archive(folder, records):
    """A stored zip archive laid out by PyTorch's writer."""
    body, directory = b"", b""
    for name, data in records:
        name = f"{folder}/{name}".encode()
        start = len(body)
        padding = -(start + 30 + len(name) + 4) % 64
        extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        sizes = struct.pack("<III", zlib.crc32(data), len(data), len(data))
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 0, FLAGS, 0, 0, 0, 0, 0, 0,
                            len(name), len(extra))
        body += name + extra + data + b"PK\7\x08" + sizes
        directory += struct.pack("<4s6H", b"PK\1\2", 0, 0, FLAGS, 0, 0, 0) + sizes
        directory += struct.pack("<5H2I", len(name), 0, 0, 0, 0, 0, start) + name
    count, size, start = len(records), len(directory), len(body)
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 0x031E, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0)
    return body + directory + end64 + locator + end


class Unpickler(pickle.Unpickler):
    """Builds tensors from a trusted archive; any other global is an error."""

    def __init__(self, archive):
        self.archive = archive
        self.folder = archive.namelist()[0].split("/")[0]
        super().__init__(io.BytesIO(archive.read(f"{self.folder}/data.pkl")))

    def persistent_load(self, identity):
        _, dtype, key, _, _ = identity
        return dtype, self.archive.read(f"{self.folder}/data/{key}")

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        return {v: k for k, v in STORAGE_NAMES.items()}[name]

    @staticmethod
    def rebuild(storage, offset, shape, stride, *_):
        dtype, data = storage
        flat = np.frombuffer(data, NUMPY_TYPES[dtype])[offset:]
        strides = [step * flat.itemsize for step in stride]
        view = np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=False)
        return Tensor(dtype, tuple(shape), np.ascontiguousarray(view).tobytes())


def read_torch(path):
    """Read a trusted archive of a flat dictionary: {name: Tensor}."""
    with zipfile.ZipFile(path) as archive:
        return Unpickler(archive).load()
