"""The native container, byte by byte (Container)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import zstandard
from support import TINY_A, TINY_B, TINY_TEXT, C, build, entry, identity, tiny, tiny_chunks, tiny_tens

from reslora_formats import (
    Adapter, Block, FormatError, Pair, Tensor, container, read_adapter, write_adapter,
)
from reslora_formats.container import shuffled, unshuffled
from reslora_formats.container_reader import ContainerReader
from reslora_formats.sample import make_sample


def read(tmp_path, content: bytes) -> Adapter:
    path = tmp_path / "x.reslora"
    path.write_bytes(content)
    return read_adapter(path)


def test_crc_is_that_of_the_page():
    assert zlib.crc32(b"123456789") == 0xCBF43926


def test_bytes_by_hand(tmp_path):
    """The writer gives what the page says, and the reader takes it."""
    content = build(tiny_chunks())
    write_adapter(tiny(), tmp_path / "w.reslora", compression="none")
    assert (tmp_path / "w.reslora").read_bytes() == content
    assert read(tmp_path, content) == tiny()


def test_the_longer_way_by_hand(tmp_path):
    """zlib, zstd, shuffle, ancillary chunks and unknown optional features, from the page alone."""
    assert shuffled(TINY_A, 2) == bytes.fromhex("00003c40")
    again = b"again" * 100
    content = build(
        tiny_chunks(
            adpt=C(b"ADPT", zlib.compress(TINY_TEXT.encode(), 9), len(TINY_TEXT), 1),
            a=C(b"DATA", shuffled(TINY_A, 2), 4, 0, 2),
            b=C(b"DATA", shuffled(TINY_B, 4), 4, 0, 4),
        )
        + [C(b"teXT", b"hello"), C(b"noNE", b""), C(b"teXT", zstandard.compress(again), 500, 2)],
        optional=0x8000000000000001,
        write=7,
    )
    notes: list[str] = []
    (tmp_path / "x.reslora").write_bytes(content)
    adapter = read_adapter(tmp_path / "x.reslora", notes=notes)
    assert adapter == tiny()
    assert adapter.ancillary == [(b"teXT", b"hello"), (b"noNE", b""), (b"teXT", again)]
    assert len(notes) == 3
    # A rewrite keeps unknown ancillary chunks and clears optional features.
    write_adapter(adapter, tmp_path / "y.reslora", compression="none")
    kept = [C(type, raw) for type, raw in adapter.ancillary]
    assert (tmp_path / "y.reslora").read_bytes() == build(tiny_chunks() + kept)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_shuffle(width):
    raw = np.random.default_rng(width).integers(0, 256, 3 * width, np.uint8).tobytes()
    stored = shuffled(raw, width)
    for i in range(3):
        for j in range(width):
            assert stored[j * 3 + i] == raw[i * width + j]
    assert unshuffled(stored, width) == raw


@pytest.mark.parametrize("compression", ["auto", "none", "zlib", "zstd"])
@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_pieces_of_large_tensors(tmp_path, compression, dtype):
    random = np.random.default_rng(1)
    A = Tensor.rounded(random.standard_normal((3, 200_001)), dtype)
    B = Tensor.rounded(np.zeros((5, 3)), dtype)
    adapter = Adapter("plain", [Block("x", 1.0, [Pair(A, B)])])
    write_adapter(adapter, tmp_path / "x.reslora", compression=compression)
    assert read_adapter(tmp_path / "x.reslora") == adapter
    assert read_adapter(tmp_path / "x.reslora", in_place=True) == adapter


def test_in_place_is_a_view(tmp_path):
    adapter = make_sample(dtype="F32")
    write_adapter(adapter, tmp_path / "x.reslora", compression="none")
    factor = read_adapter(tmp_path / "x.reslora", in_place=True).blocks[0].pairs[0].lora_A
    assert not factor.data.flags.owndata and not factor.data.flags.writeable
    assert factor.data.ctypes.data % 64 == 0


@pytest.mark.parametrize("compression", ["none", "auto"])
def test_every_flipped_bit_is_found(tmp_path, compression):
    path = tmp_path / "x.reslora"
    write_adapter(tiny(), path, compression=compression)
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        # Without the magic's first bytes it is no container at all.
        with pytest.raises(FormatError):
            read(tmp_path, bytes(damaged))


@pytest.mark.parametrize("compression", ["none", "auto"])
def test_every_truncation_is_found(tmp_path, compression):
    path = tmp_path / "x.reslora"
    write_adapter(tiny(), path, compression=compression)
    content = path.read_bytes()
    for length in range(len(content)):
        with pytest.raises(FormatError):
            read(tmp_path, content[:length])
    with pytest.raises(FormatError, match="length of the file"):
        read(tmp_path, content + b"\0")


def many(chunk: C, *others: C) -> bytes:
    return build(tiny_chunks()[:3] + [chunk, *others])


STREAM = zlib.compress(TINY_A)
FRAME = zstandard.compress(TINY_A)
WIDE = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters(window_log=25, write_content_size=True)
)
UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(TINY_A)
ONE = entry(b"x.lora_A", 3, (1, 2), 0, 1, TINY_A)
BIG = bytes(2**24 + 1)

MALFORMED = {
    "text mode": ("§2.1", build(tiny_chunks(), magic=b"\x89RLR\n\x1a\n\0")),
    "header CRC": ("§2]", build(tiny_chunks(), crc=0)),
    "read version": ("Versions §2", build(tiny_chunks(), read=2, write=2)),
    "read version 0": ("Versions §2", build(tiny_chunks(), read=0)),
    "write version": ("§2]", build(tiny_chunks(), write=0)),
    "feature": ("§2]", build(tiny_chunks(), required=1 << 63)),
    "zeros": ("§2]", build(tiny_chunks(), zero=1)),
    "zeros 2": ("§2]", build(tiny_chunks(), zero2=1)),
    "length": ("§2]", build(tiny_chunks(), length=64)),
    "after": ("§2]", build(tiny_chunks(), after=b"\0")),
    "directory offset": ("§3]", build(tiny_chunks(), directory=63)),
    "directory size": ("§3]", build(tiny_chunks(), count=3)),
    "directory CRC": ("§2]", build(tiny_chunks(), directory_crc=1)),
    "chunks": ("§1.2", build(tiny_chunks(), count=4_000_001)),
    "type": ("§3]", many(C(b"TENS", tiny_tens()), C(b"te1T", b""))),
    "critical": ("§3.1", many(C(b"TENS", tiny_tens()), C(b"TeXT", b""))),
    "compression": ("§3]", build(tiny_chunks(a=C(b"DATA", TINY_A, compression=3)))),
    "shuffle 3": ("§3]", build(tiny_chunks(a=C(b"DATA", TINY_A, shuffle=3)))),
    "shuffle 0": ("§3]", build(tiny_chunks(a=C(b"DATA", TINY_A, shuffle=0)))),
    "shuffle of another width": ("§3.3", build(tiny_chunks(a=C(b"DATA", TINY_A, shuffle=4)))),
    "shuffle of parts": ("§3.3", build(tiny_chunks(a=C(b"DATA", TINY_A, shuffle=8)))),
    "shuffle of ADPT": ("§3.3", build(tiny_chunks(adpt=C(b"ADPT", TINY_TEXT.encode() + b" ", shuffle=2)))),
    "entry zeros": ("§3]", build(tiny_chunks(a=C(b"DATA", TINY_A, zero=1)))),
    "offset": ("§1.1", build(tiny_chunks(a=C(b"DATA", TINY_A, offset=128)))),
    "stored length": ("§1.1", build(tiny_chunks(a=C(b"DATA", TINY_A, length=2**60, raw=4, compression=1)))),
    "raw length": ("§3.2", build(tiny_chunks(a=C(b"DATA", TINY_A, raw=8)))),
    "large chunk": ("§1.2", build(tiny_chunks(a=C(b"DATA", BIG)))),
    "chunk CRC": ("§3]", build(tiny_chunks(a=C(b"DATA", TINY_A, crc=0)))),
    "padding": ("§1.1", build(tiny_chunks(a=C(b"DATA", TINY_A, pad=b"\1")))),
    "no ADPT": ("§4.1", build(tiny_chunks()[1:])),
    "no TENS": ("§4.1", build(tiny_chunks()[:3])),
    "no chunks": ("§4.1", build([])),
    "order": ("§4.1", build([*tiny_chunks()[:2], tiny_chunks()[3], tiny_chunks()[2]])),
    "ancillary first": ("§4.1", build([C(b"teXT", b""), *tiny_chunks()])),
    "two ADPT": ("§4.1", build([*tiny_chunks(), tiny_chunks()[0]])),
    "zlib after": ("§3.2", build(tiny_chunks(a=C(b"DATA", STREAM + b"\0", 4, 1)))),
    "zlib short": ("§3.2", build(tiny_chunks(a=C(b"DATA", STREAM[:-1], 4, 1)))),
    "zlib too long": ("§3.2", build(tiny_chunks(a=C(b"DATA", zlib.compress(bytes(99)), 4, 1)))),
    "zlib too short": ("§3.2", build(tiny_chunks(a=C(b"DATA", zlib.compress(b""), 4, 1)))),
    "zlib raw": ("§3.2", build(tiny_chunks(a=C(b"DATA", STREAM[2:], 4, 1)))),
    "zstd after": ("§3.2", build(tiny_chunks(a=C(b"DATA", FRAME + b"\0", 4, 2)))),
    "zstd short": ("§3.2", build(tiny_chunks(a=C(b"DATA", FRAME[:-1], 4, 2)))),
    "zstd two frames": ("§3.2", build(tiny_chunks(a=C(b"DATA", FRAME + FRAME, 4, 2)))),
    "zstd size": ("§3.2", build(tiny_chunks(a=C(b"DATA", zstandard.compress(bytes(99)), 4, 2)))),
    "zstd unsized": ("§3.2", build(tiny_chunks(a=C(b"DATA", UNSIZED, 4, 2)))),
    "zstd skippable": ("§3.2", build(tiny_chunks(a=C(b"DATA", b"\x50\x2a\x4d\x18\0\0\0\0" + FRAME, 4, 2)))),
    "zstd nothing": ("§3.2", build(tiny_chunks(a=C(b"DATA", b"", 4, 2)))),
    "TENS start": ("§4.4", many(C(b"TENS", bytes(39)))),
    "TENS zeros": ("§4.4", many(C(b"TENS", tiny_tens(zero=1)))),
    "TENS more": ("§4.4", many(C(b"TENS", tiny_tens(after=bytes(8))))),
    "TENS fewer": ("§4.4", many(C(b"TENS", tiny_tens(count=3)))),
    "tensors": ("§1.2", many(C(b"TENS", tiny_tens(count=1_000_001)))),
    "tensor dtype": ("§4.4", many(C(b"TENS", tiny_tens(entry(b"x.lora_A", 5, (1, 2), 0, 1, TINY_A))))),
    "tensor dimensions": ("§4.4", many(C(b"TENS", tiny_tens(entry(b"x.lora_A", 3, (1,) * 9, 0, 1, TINY_A))))),
    "tensor name": ("§4.4", many(C(b"TENS", tiny_tens(entry(b"x.lora_\xff", 3, (1, 2), 0, 1, TINY_A))))),
    "tensor name length": ("§4.4", many(C(b"TENS", tiny_tens(ONE, entry(b"x.lora_B", 2, (1, 1), 1, 1, TINY_B, length=99))))),
    "tensor padding": ("§4.4", many(C(b"TENS", tiny_tens(entry(b"x.lora_Axy", 3, (1, 2), 0, 1, TINY_A, pad=b"1"))))),
    "first chunk": ("§4.4", many(C(b"TENS", tiny_tens(ONE, entry(b"x.lora_B", 2, (1, 1), 0, 1, TINY_B))))),
    "chunks left": ("§4.4", many(C(b"TENS", tiny_tens(ONE, entry(b"x.lora_B", 2, (1, 1), 1, 0, b""))))),
    "names": ("§4.4", many(C(b"TENS", tiny_tens(ONE, entry(b"x.lora_A", 2, (1, 1), 1, 1, TINY_B))))),
    "identity": ("§4.6", many(C(b"TENS", tiny_tens(hash=bytes(32))))),
    "size": (
        "§4.4",
        many(C(b"TENS", tiny_tens(
            entry(b"x.lora_A", 3, (1, 3), 0, 1, TINY_A),
            hash=identity((b"x.lora_A", 3, (1, 3), TINY_A), (b"x.lora_B", 2, (1, 1), TINY_B)),
        ))),
    ),
    "tensor CRC": ("§4.4", many(C(b"TENS", tiny_tens(entry(b"x.lora_A", 3, (1, 2), 0, 1, TINY_A, crc=0))))),
    "SHA-256": (
        "§4.4",
        many(C(b"TENS", tiny_tens(
            entry(b"x.lora_A", 3, (1, 2), 0, 1, TINY_B, crc=zlib.crc32(TINY_A)),
            hash=identity((b"x.lora_A", 3, (1, 2), TINY_B), (b"x.lora_B", 2, (1, 1), TINY_B)),
        ))),
    ),
    "order of tensors": (
        "§4.4",
        build([
            *tiny_chunks()[:1], tiny_chunks()[2], tiny_chunks()[1],
            C(b"TENS", tiny_tens(
                entry(b"x.lora_B", 2, (1, 1), 0, 1, TINY_B),
                entry(b"x.lora_A", 3, (1, 2), 1, 1, TINY_A),
            )),
        ]),
    ),
    "other tensors": (
        "Adapter §2.3",
        build([
            *tiny_chunks()[:2],
            C(b"TENS", struct.pack("<II", 1, 0) + identity((b"x.lora_A", 3, (1, 2), TINY_A)) + ONE),
        ]),
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(tmp_path, name):
    section, content = MALFORMED[name]
    with pytest.raises(FormatError) as caught:
        read(tmp_path, content)
    assert section in f"{caught.value.section}]"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "lengths",
    [(60, 60, 8), (64, 128), (64, 0), (128, 64, 128)],
    ids=["no multiple", "longer last", "empty", "unequal"],
)
def test_pieces_of_other_lengths(tmp_path, lengths):
    raw = bytes(range(256)) * 2
    raw = raw[: sum(lengths)]
    features = len(raw) // 4
    chunks = [C(b"ADPT", TINY_TEXT.encode())]
    at = 0
    for length in lengths:
        chunks.append(C(b"DATA", raw[at : at + length]))
        at += length
    chunks.append(C(b"DATA", TINY_B))
    hash = identity((b"x.lora_A", 2, (1, features), raw), (b"x.lora_B", 2, (1, 1), TINY_B))
    chunks.append(C(b"TENS", tiny_tens(
        entry(b"x.lora_A", 2, (1, features), 0, len(lengths), raw),
        entry(b"x.lora_B", 2, (1, 1), len(lengths), 1, TINY_B), hash=hash,
    )))
    with pytest.raises(FormatError) as caught:
        read(tmp_path, build(chunks))
    assert caught.value.section == "Container §4.3"


def test_wide_window_is_refused(tmp_path):
    stream = WIDE.compressobj(size=4)
    frame = stream.compress(TINY_A) + stream.flush()
    if zstandard.get_frame_parameters(frame).window_size <= 2**24:
        # The library shrinks windows of small contents: write the frame header by hand.
        block = frame[frame.index(TINY_A) - 3 :]
        frame = b"\x28\xb5\x2f\xfd" + bytes([0b10000000, (25 - 10) << 3]) + struct.pack("<I", 4) + block[:7]
    with pytest.raises(FormatError) as caught:
        read(tmp_path, build(tiny_chunks(a=C(b"DATA", frame, 4, 2))))
    assert "window" in str(caught.value) and caught.value.section == "Container §3.2"


def test_description_of_several_chunks(tmp_path):
    adapter = tiny()
    adapter.metadata = {"x": "\x01" * (3 * 2**20)}  # within Adapter §1.7, six times as long in JSON
    path = tmp_path / "x.reslora"
    write_adapter(adapter, path)
    types = [(chunk.type, chunk.raw) for chunk in ContainerReader(path).chunks]
    assert types[0] == (b"ADPT", 2**24)
    assert types[1][0] == b"ADPT" and 0 < types[1][1] < 2**24
    assert [type for type, _ in types[2:]] == [b"DATA", b"DATA", b"TENS"]
    assert read_adapter(path).metadata == adapter.metadata


@pytest.mark.parametrize("lengths", [(2**20, 7), (2**24, 0)])
def test_pieces_of_the_description(tmp_path, lengths):
    chunks = tiny_chunks()
    pieces = [C(b"ADPT", b" " * length, length) for length in lengths]
    with pytest.raises(FormatError) as caught:
        read(tmp_path, build([*pieces, *chunks[1:]]))
    assert caught.value.section == "Container §4.1"


def test_too_large_a_description(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MAX_PART", 100)
    with pytest.raises(FormatError, match="Container §4.1"):
        write_adapter(tiny(), tmp_path / "x.reslora")
    assert list(tmp_path.iterdir()) == []


def test_compressed_and_no_smaller(tmp_path):
    with pytest.raises(FormatError, match="less than 4"):
        read(tmp_path, build(tiny_chunks(a=C(b"DATA", zlib.compress(TINY_A), 4, 1))))


def test_type_of_an_ancillary_chunk(tmp_path):
    adapter = tiny()
    adapter.ancillary = [(b"Text", b"")]
    with pytest.raises(FormatError, match="Container §3.1"):
        write_adapter(adapter, tmp_path / "x.reslora")
