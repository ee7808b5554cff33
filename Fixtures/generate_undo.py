#!/usr/bin/env python3
"""Writes the golden files of Fixtures/undo: a base folder, the same folded and in one file, and the
undo file between them, as Spec/undo.md has it. Shares no code with the package; needs nothing but
Python.

    python Fixtures/generate_undo.py Fixtures/undo/v1
"""
import hashlib
import json
import math
import os
import random
import struct
import sys
import zlib

WIDTHS = {"BF16": 2, "F32": 4, "U8": 1}


def safetensors(tensors):
    """Header bytes and data of a safetensors file: name -> (dtype, shape, bytes)."""
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {
            "dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text, data


def shuffled(raw, width):
    return b"".join(raw[plane::width] for plane in range(width))


def undo(files, index, changed):
    """An undo file without compression; `changed` is a list of name, width, [(offset, xor)]."""
    entries, stored = [], b""

    def add(kind, shuffle, raw, tensor=0, offset=0):
        nonlocal stored
        entries.append(struct.pack(
            "<4sBBHIIIIQ", kind, 0, shuffle, 0, len(raw), len(raw), zlib.crc32(raw), tensor, offset))
        stored += raw

    for number, (_, width, spans) in enumerate(changed):
        for offset, difference in spans:
            add(b"SPAN", width, shuffled(difference, width), number, offset)
    text = struct.pack("<IIBB6x", len(files), len(changed), 1, 1)
    for name, (head, data) in sorted(files.items()):
        text += struct.pack("<QQ", len(head) + len(data), len(head))
        text += hashlib.sha256(head + data).digest()
        text += struct.pack("<H6x", len(name)) + name.encode() + head
    name, content = index
    text += struct.pack("<Q", len(content)) + hashlib.sha256(content).digest()
    text += struct.pack("<H6x", len(name)) + name.encode() + content
    for name, _, _ in changed:
        text += struct.pack("<H", len(name)) + name.encode()
    add(b"BASE", 1, text)
    directory = b"".join(entries)
    header = struct.pack(
        "<8sHH4xQQQQII4x", b"\x89RLU\r\n\x1a\n", 1, 1, 0, 0, 64 + len(stored) + len(directory),
        64 + len(stored), len(entries), zlib.crc32(directory))
    return header + struct.pack("<I", zlib.crc32(header)) + stored + directory


def main(folder):
    values = random.Random(5)
    shapes = {
        "one.safetensors": {"a.weight": ("BF16", [5, 7]), "a.empty": ("F32", [0, 3])},
        "two.safetensors": {"b.weight": ("F32", [4, 3]), "b.ids": ("U8", [9])},
    }
    base = {
        file: {
            name: (dtype, shape, values.randbytes(math.prod(shape) * WIDTHS[dtype]))
            for name, (dtype, shape) in tensors.items()}
        for file, tensors in shapes.items()}
    spans = {"a.weight": [(0, 20), (44, 26)], "b.weight": [(4, 8)]}
    changed, folded = [], {}
    for tensors in base.values():
        for name, (dtype, shape, raw) in tensors.items():
            new = bytearray(raw)
            if name in spans:
                pieces = []
                for offset, count in spans[name]:
                    difference = bytes(values.choice((0, 0, 1, 3)) for _ in range(count))
                    pieces.append((offset, difference))
                    for position, bits in enumerate(difference):
                        new[offset + position] ^= bits
                changed.append((name, WIDTHS[dtype], pieces))
            folded[name] = (dtype, shape, bytes(new))
    weight_map = {name: file for file, tensors in base.items() for name in tensors}
    index = json.dumps({"metadata": {}, "weight_map": weight_map}, indent=2).encode()
    files = {name: safetensors(tensors) for name, tensors in base.items()}

    def write(name, content):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    for name, (head, data) in files.items():
        write("base/" + name, head + data)
    write("base/model.safetensors.index.json", index)
    # In one file, and in another order.
    write("folded/model.safetensors", b"".join(safetensors(dict(reversed(folded.items())))))
    write("python.undo", undo(files, ("model.safetensors.index.json", index), changed))


main(sys.argv[1])
