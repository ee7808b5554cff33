"""Adapters and files that several tests use."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from reslora_formats import Adapter, Block, Pair, Tensor

LAYOUTS = ("safetensors", "h5", "reslora")


def tiny() -> Adapter:
    """One block of rank 1, in 2, out 1: B is F32, A is F16."""
    pair = Pair(Tensor("F16", np.array([[1, 2]], "<f2")), Tensor("F32", np.array([[3]], "<f4")))
    return Adapter("plain", [Block("x", 0.5, [pair])])


TINY_TEXT = (
    '{"format":"reslora-adapter","version":1,"structure":"plain","root":"self","pre_num":-1,'
    '"blocks":[{"name":"x","scaling":0.5,"previous":null}]}'
)
TINY_A = bytes.fromhex("003c0040")
TINY_B = bytes.fromhex("00004040")


def entry(
    name: bytes, dtype: int, shape: tuple[int, ...], first: int, count: int, raw: bytes, **over
) -> bytes:
    """A tensor of TENS, written down from Container §4.4."""
    value = {
        "crc": zlib.crc32(raw), "sha256": hashlib.sha256(raw).digest(),
        "length": len(name), "dims": len(shape), "pad": b"\0", **over,
    }
    data = struct.pack(
        "<HBBIII", value["length"], dtype, value["dims"], first, count, value["crc"]
    )
    data += value["sha256"] + b"".join(struct.pack("<Q", extent) for extent in shape) + name
    while len(data) % 8:
        data += value["pad"]
    return data


def identity(*tensors: tuple[bytes, int, tuple[int, ...], bytes]) -> bytes:
    """Container §4.6."""
    text = b""
    for name, dtype, shape, raw in sorted(tensors):
        text += struct.pack("<HBB", len(name), dtype, len(shape))
        text += b"".join(struct.pack("<Q", extent) for extent in shape)
        text += name + hashlib.sha256(raw).digest()
    return hashlib.sha256(text).digest()


def tiny_tens(first=None, second=None, count=2, zero=0, hash=None, after=b"") -> bytes:
    """The TENS chunk of ``tiny()``."""
    hash = hash or identity((b"x.lora_A", 3, (1, 2), TINY_A), (b"x.lora_B", 2, (1, 1), TINY_B))
    data = struct.pack("<II", count, zero) + hash
    data += first or entry(b"x.lora_A", 3, (1, 2), 0, 1, TINY_A)
    data += second or entry(b"x.lora_B", 2, (1, 1), 1, 1, TINY_B)
    return data + after


@dataclass
class C:
    """A chunk for ``build``."""

    type: bytes
    stored: bytes
    raw: int | None = None
    compression: int = 0
    shuffle: int = 1
    crc: int | None = None
    offset: int | None = None
    length: int | None = None
    zero: int = 0
    pad: bytes = b"\0"


def tiny_chunks(**over) -> list[C]:
    """The chunks of ``tiny()``; ``adpt``, ``a``, ``b``, ``tens`` replace one."""
    return [
        over.get("adpt", C(b"ADPT", TINY_TEXT.encode())),
        over.get("a", C(b"DATA", TINY_A)),
        over.get("b", C(b"DATA", TINY_B)),
        over.get("tens", C(b"TENS", tiny_tens())),
    ]


def build(chunks: list[C], magic=b"\x89RLR\r\n\x1a\n", **over) -> bytes:
    """A container, written down from Container §1 to §3; keyword arguments break the header."""
    body = b""
    directory = b""
    for number, chunk in enumerate(chunks):
        at = 64 + len(body)
        crc = zlib.crc32(struct.pack("<I", number) + chunk.type + chunk.stored)
        directory += chunk.type + struct.pack(
            "<BBHQQQII", chunk.compression, chunk.shuffle, chunk.zero,
            at if chunk.offset is None else chunk.offset,
            len(chunk.stored) if chunk.length is None else chunk.length,
            len(chunk.stored) if chunk.raw is None else chunk.raw,
            crc if chunk.crc is None else chunk.crc, 0,
        )
        body += chunk.stored
        while len(body) % 64:
            body += chunk.pad
    directory += over.get("extra_directory", b"")
    header = magic + struct.pack(
        "<HHIQQQQI", over.get("write", 1), over.get("read", 1), over.get("zero", 0),
        over.get("required", 0), over.get("optional", 0),
        over.get("length", 64 + len(body) + len(directory)),
        over.get("directory", 64 + len(body)), over.get("count", len(chunks)),
    )
    header += struct.pack("<II", over.get("directory_crc", zlib.crc32(directory)), over.get("zero2", 0))
    header += struct.pack("<I", over.get("crc", zlib.crc32(header)))
    return header + body + directory + over.get("after", b"")
