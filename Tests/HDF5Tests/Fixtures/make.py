"""Writes the fixtures beside it, with h5py 3.11 or later: the variants of HDF5 that readers meet.

Datasets hold the ramp 0, 1, … 96, 0, … less 48 in row-major order, where nothing else is said.
"""

import os
import sys

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

folder = os.path.dirname(os.path.abspath(__file__))


def ramp(shape, dtype="<f4"):
    count = int(np.prod(shape))
    return (np.arange(count) % 97 - 48).reshape(shape).astype(dtype)


def create(name, **options):
    return h5py.File(os.path.join(folder, name), "w", **options)


def bfloat16(order="<"):
    kind = h5t.IEEE_F32LE.copy() if order == "<" else h5t.IEEE_F32BE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def write_bfloat16(file, name, shape, order="<"):
    bits = (ramp(shape).view("<u4") >> 16).astype(order + "u2")
    kind = bfloat16(order)
    dataset = h5d.create(file.id, name.encode(), kind, h5s.create_simple(shape))
    dataset.write(h5s.ALL, h5s.ALL, bits, mtype=kind)


def low(file, name, shape, dtype="<f4", maxshape=None, chunk=None, data=True, **calls):
    """Creates a dataset through the low-level interface; `calls` are set_… of its property list."""
    plist = h5p.create(h5p.DATASET_CREATE)
    if chunk:
        plist.set_chunk(chunk)
    for call, arguments in calls.items():
        getattr(plist, "set_" + call)(*arguments)
    space = h5s.create_simple(shape, tuple(maxshape) if maxshape else None)
    kind = h5t.py_create(np.dtype(dtype), logical=True)
    dataset = h5d.create(file.id, name.encode(), kind, space, plist)
    if data:
        dataset.write(h5s.ALL, h5s.ALL, ramp(shape, dtype))
    return dataset


UNLIMITED = h5s.UNLIMITED


def layouts(name, libver):
    with create(name, libver=libver) as f:
        f["contiguous"] = ramp((5, 7))
        for dtype in ["<f8", "<f4", "<f2", ">f8", ">f4", ">f2"]:
            f["order/" + {"<": "little", ">": "big"}[dtype[0]] + dtype[1:]] = ramp((9,), dtype)
        write_bfloat16(f["order"], "littlebf2", (9,))
        write_bfloat16(f["order"], "bigbf2", (9,), ">")
        low(f, "compact", (5, 7), layout=(h5d.COMPACT,))
        f.create_dataset("chunked", data=ramp((5, 7)), chunks=(2, 3))
        f.create_dataset("rank1", data=ramp((50,), "<f2"), chunks=(8,), compression=4)
        f.create_dataset("rank3", data=ramp((3, 4, 5)), chunks=(2, 3, 2), compression=9)
        f.create_dataset("rank3rows", data=ramp((3, 4, 5)), chunks=(2, 4, 5), compression=1)
        f.create_dataset("gzip", data=ramp((6, 8)), chunks=(4, 8), compression=4)
        f.create_dataset("shuffle", data=ramp((6, 8), "<f8"), chunks=(4, 4), shuffle=True)
        f.create_dataset("fletcher", data=ramp((5, 7), "<f2"), chunks=(3, 7), fletcher32=True)
        f.create_dataset(
            "all", data=ramp((6, 8)), chunks=(4, 5), compression=4, shuffle=True, fletcher32=True)
        f.create_dataset("big", data=ramp((6, 8), ">f4"), chunks=(4, 5), compression=4, shuffle=True)
        low(f, "odd-order", (6, 8), chunk=(4, 8), fletcher32=(), deflate=(4,), shuffle=())
        f.create_dataset("single", data=ramp((4, 6)), chunks=(4, 6))
        f.create_dataset("single-gzip", data=ramp((4, 6)), chunks=(4, 6), compression=4)
        low(f, "implicit", (5, 7), chunk=(2, 3), alloc_time=(h5d.ALLOC_TIME_EARLY,))
        f.create_dataset("growable", data=ramp((5, 7)), chunks=(2, 3), maxshape=(9, 16))
        low(f, "implicit-growable", (5, 7), maxshape=(9, 16), chunk=(2, 3),
            alloc_time=(h5d.ALLOC_TIME_EARLY,))
        f.create_dataset("rows", data=ramp((40, 3)), chunks=(1, 2), maxshape=(None, 3),
                         compression=4)
        f.create_dataset("columns", data=ramp((3, 40)), chunks=(2, 1), maxshape=(3, None))
        f.create_dataset("columns-growable", data=ramp((3, 10)), chunks=(2, 1), maxshape=(7, None),
                         compression=1)
        f.create_dataset("both", data=ramp((7, 9)), chunks=(2, 2), maxshape=(None, None))
        f.create_dataset("both-gzip", data=ramp((7, 9)), chunks=(2, 2), maxshape=(None, None),
                         compression=4)
        f.create_dataset("zero", data=ramp((0, 4)), chunks=(2, 2), maxshape=(None, 4))
        f["empty"] = ramp((0,))
        f["scalar"] = np.float32(-48)
        shrunk = f.create_dataset("shrunk", data=ramp((8, 4)), chunks=(2, 2), maxshape=(None, None))
        shrunk.resize((3, 4))
        if libver[0] != "earliest":
            low(f, "bare-edges", (5, 7), chunk=(2, 3), deflate=(4,), chunk_opts=(2,)) \
                if hasattr(h5p.PropDCID, "set_chunk_opts") else None


def sparse(name, libver):
    """Chunks that were never written, fill values, filters left out of single chunks."""
    with create(name, libver=libver) as f:
        f.create_dataset("never", shape=(5, 7), dtype="<f4")
        f.create_dataset("never-chunked", shape=(5, 7), dtype="<f4", chunks=(2, 3))
        f.create_dataset("filled", shape=(5, 7), dtype="<f4", fillvalue=1.5)
        f.create_dataset("filled-chunked", shape=(5, 7), dtype=">f4", chunks=(2, 3), fillvalue=1.5)
        some = f.create_dataset("some", shape=(6, 6), dtype="<f2", chunks=(2, 3), fillvalue=-2,
                                compression=4)
        some[2:4, 3:6] = 7
        huge = f.create_dataset("huge", shape=(1 << 20, 1 << 20), dtype="<f4", chunks=(4, 4),
                                maxshape=(None, None))
        huge[1 << 19, 1 << 19] = 7
        masked = f.create_dataset("masked", shape=(6, 4), dtype="<f4", chunks=(2, 4),
                                  compression=4, shuffle=True)
        for row in range(0, 6, 2):
            masked.id.write_direct_chunk((row, 0), ramp((6, 4))[row:row + 2].tobytes(), 3)
        data = ramp((6, 4))
        masked[2:4] = data[2:4]


def values(name):
    with create(name, libver="earliest") as f:
        a = f.attrs
        a["text"] = "variable é"
        a["empty text"] = ""
        for padding in [h5t.STR_NULLTERM, h5t.STR_NULLPAD, h5t.STR_SPACEPAD]:
            kind = h5t.C_S1.copy()
            kind.set_size(8)
            kind.set_strpad(padding)
            content = np.array(b"ab c    " if padding == h5t.STR_SPACEPAD else b"ab c\0\0\0\0",
                               dtype="S8")
            label = f"padded {int(padding)}".encode()
            attribute = h5py.h5a.create(f.id, label, kind, h5s.create(h5s.SCALAR))
            attribute.write(content, mtype=kind)
        a["latin"] = np.bytes_(b"\xe9")
        for dtype in ["<i8", "<i1", ">i4", "<u8", "<u2", ">u4"]:
            a["integer " + dtype] = np.array(-5 if "i" in dtype else 250).astype(dtype)
        a["integer large"] = np.uint64(1 << 63)
        a["integers"] = np.array([1, -2, 3], dtype="<i4")
        a["no integers"] = np.array([], dtype="<i8")
        for dtype in ["<f8", ">f4", "<f2"]:
            a["float " + dtype] = np.array(-1.5).astype(dtype)
        a["floats"] = np.array([0.5, np.inf], dtype=">f8")
        a["strings"] = ["a", "b"]
        a["matrix"] = np.eye(2)
        a["flag"] = True
        a["nothing"] = h5py.Empty("f4")
        f.create_dataset("fixed", data=np.bytes_(b"fixed \xc3\xa9"))
        f.create_dataset("variable", data="variable")
        f.create_dataset("fixed list", data=np.array([b"a", b"b"]))
        f.create_dataset("doubles", data=np.array([0.5, -1e300]))


def refused(name):
    with create(name, libver="earliest") as f:
        f["data"] = ramp((4,))
        f["inner/data"] = ramp((4,))
        f["soft"] = h5py.SoftLink("/data")
        f["soft group"] = h5py.SoftLink("/inner")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["external"] = h5py.ExternalLink("other.h5", "/data")
        f["again"] = f["data"]
        f["inner/up"] = f["/"]
        f["inner/self"] = f["inner"]
        f["named type"] = np.dtype("<f4")
        f.create_dataset("external storage", shape=(4,), dtype="<f4",
                         external=[("other.bin", 0, h5py.h5f.UNLIMITED)])
        layout = h5py.VirtualLayout(shape=(4,), dtype="<f4")
        layout[:] = h5py.VirtualSource("other.h5", "data", shape=(4,))
        f.create_virtual_dataset("virtual", layout)
        f.create_dataset("lzf", data=ramp((16,)), chunks=(8,), compression="lzf")
        f.create_dataset("scale-offset", data=np.arange(16), chunks=(8,), scaleoffset=0)
        low(f, "n-bit", (16,), chunk=(8,), nbit=()) if hasattr(h5p.PropDCID, "set_nbit") else None
        f["compound"] = np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")])
        f.create_dataset("ragged", shape=(2,), dtype=h5py.vlen_dtype("<f4"))
        f.create_dataset("reference", data=f["data"].ref, dtype=h5py.ref_dtype)
        f["enumeration"] = np.array([True, False])
        f["opaque"] = np.array([b"ab"], dtype="V2")
        f["array"] = np.zeros(2, dtype=[("a", "<f4", (3,))])["a"]
        f["integers"] = np.arange(4)
        f["long double"] = np.zeros(2, dtype=np.longdouble)
        f.create_dataset("null", data=h5py.Empty("f4"))


def user_block(name):
    with create(name, libver="earliest", userblock_size=512) as f:
        f["data"] = ramp((4,))


if __name__ == "__main__":
    h5py.get_config().track_order = False
    layouts("layouts-earliest.h5", ("earliest", "v108"))
    layouts("layouts-v108.h5", ("v108", "v108"))
    layouts("layouts-v110.h5", ("v110", "v110"))
    sparse("sparse-earliest.h5", ("earliest", "v108"))
    sparse("sparse-v110.h5", ("v110", "v110"))
    values("values.h5")
    refused("refused.h5")
    user_block("user-block.h5")
    print(h5py.version.hdf5_version, file=sys.stderr)
