"""The three layouts hold the same adapter, to the bit (Adapter §1.1)."""

from __future__ import annotations

import ctypes
import itertools
import json

import numpy as np
import pytest
from support import LAYOUTS, tiny

from reslora_formats import (
    Adapter,
    BaseWeight,
    Block,
    FormatError,
    NormWindows,
    Pair,
    Statistics,
    Tensor,
    bf16_from_float32,
    bf16_to_float32,
    read_adapter,
    write_adapter,
)
from reslora_formats.adapter_hdf5 import write_hdf5
from reslora_formats.adapter_safetensors import write_safetensors
from reslora_formats.dump import dump_adapter
from reslora_formats.sample import make_sample

FULL = {"windows": True, "base": True, "metadata": True, "non_ascii_names": True}
SAMPLES = [
    {"structure": structure, "dtype": dtype, "pairs": pairs, "seed": seed, **options}
    for seed, (structure, dtype, pairs, options) in enumerate(
        [
            ("plain", "F64", 1, {}),
            ("is", "F32", 1, {"windows": True}),
            ("is", "F16", 3, FULL),
            ("bs", "BF16", 2, FULL),
            ("ms", "mixed", 1, FULL),
            ("ms", "mixed", 12, {"base": True, "metadata": True}),
        ]
    )
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: f"{s['structure']}-{s['dtype']}")
def test_any_order_of_layouts(tmp_path, sample):
    adapter = make_sample(**sample)
    wanted = dump_adapter(adapter)
    first = {}
    for layout in LAYOUTS:
        write_adapter(adapter, tmp_path / f"first.{layout}")
        first[layout] = (tmp_path / f"first.{layout}").read_bytes()
    for order in itertools.permutations(LAYOUTS):
        current = adapter
        for layout in (*order, *order):
            path = tmp_path / f"{'-'.join(order)}.{layout}"
            write_adapter(current, path)
            assert path.read_bytes() == first[layout]
            current = read_adapter(path)
            assert current == adapter
            assert dump_adapter(current) == wanted


@pytest.mark.parametrize("seed", range(12))
def test_random_adapters(tmp_path, seed):
    """Names, texts and numbers of all kinds."""
    random = np.random.default_rng(seed)

    def text(empty: bool = False) -> str:
        alphabet = "ab.%/\\\"\n\x01\x7fé e\u0301\u2028🙂0"
        length = int(random.integers(0 if empty else 1, 12))
        return "".join(random.choice(list(alphabet), length))

    def number() -> float:
        value = random.integers(0, 2**63, dtype=np.int64).view(np.float64)
        return float(abs(value)) if np.isfinite(value) else 0.0

    names = sorted({text() for _ in range(9)} | {".", "..", "%2F"})
    random.shuffle(names)
    blocks = []
    for number_of, name in enumerate(names):
        pairs = []
        for _ in range(int(random.integers(1, 4))):
            rank = int(random.integers(1, 4))
            dtypes = random.choice(["F64", "F32", "F16", "BF16"], 2)
            pairs.append(
                Pair(
                    *(
                        Tensor(dtype, random.integers(0, 256, (*shape[:1], shape[1] * width), np.uint8)
                               .view({"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}[dtype]))
                        for dtype, shape in zip(dtypes, ((rank, 3), (2, rank)))
                        for width in [{"F64": 8, "F32": 4, "F16": 2, "BF16": 2}[dtype]]
                    )
                )
            )
        lists = [[number() for _ in range(int(random.integers(0, 4)))] for _ in range(2)]
        base = None
        if random.random() < 0.5:
            base = BaseWeight(text(), "F8_E4M3", tuple(random.integers(0, 9, 2).tolist()), "0a" * 32)
            if random.random() < 0.5:
                base.statistics = Statistics(number(), {name: -number()})
                base.shape = (2, 3)
        blocks.append(
            Block(
                name, -number(), pairs,
                names[int(random.integers(number_of))] if number_of and random.random() < 0.7 else None,
                NormWindows(*lists, int(random.integers(3, 200))), base,
            )
        )
    metadata = {text(): text(True) for _ in range(4)}
    adapter = Adapter("bs", blocks, "none", int(random.integers(-1, 2**62)), text(), metadata)
    wanted = dump_adapter(adapter)
    for layout in LAYOUTS:
        write_adapter(adapter, tmp_path / f"x.{layout}")
        assert dump_adapter(read_adapter(tmp_path / f"x.{layout}")) == wanted


def test_safetensors_bytes_are_those_of_the_library(tmp_path):
    """Adapter in safetensors §3."""
    library = pytest.importorskip("safetensors")
    for sample in SAMPLES:
        adapter = make_sample(**sample)
        write_adapter(adapter, tmp_path / "x.safetensors")
        content = (tmp_path / "x.safetensors").read_bytes()
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
        held = []
        tensors = {}
        for name, tensor in reversed(adapter.tensors()):
            buffer = ctypes.create_string_buffer(bytes(tensor.raw()), tensor.nbytes)
            held.append(buffer)
            tensors[name] = library.TensorSpec(
                dtype=names[tensor.dtype], shape=list(tensor.shape),
                data_ptr=ctypes.addressof(buffer), data_len=tensor.nbytes,
            )
        assert library.serialize(tensors, metadata) == content
        with library.safe_open(tmp_path / "x.safetensors", "numpy") as file:
            assert sorted(file.keys()) == sorted(name for name, _ in adapter.tensors())


def test_other_metadata_of_safetensors(tmp_path):
    """Adapter in safetensors §2."""
    numpy = pytest.importorskip("safetensors.numpy")
    write_adapter(tiny(), tmp_path / "x.safetensors")
    raw = (tmp_path / "x.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    text = json.loads(raw[8 : 8 + length])["__metadata__"]["reslora"]
    tensors = {"x.lora_A": np.array([[1, 2]], "f2"), "x.lora_B": np.array([[3]], "f4")}
    numpy.save_file(tensors, tmp_path / "y.safetensors", {"reslora": text, "format": "pt"})
    assert read_adapter(tmp_path / "y.safetensors").metadata == {"format": "pt"}
    value = json.loads(text)
    value["metadata"] = {"format": "np"}
    numpy.save_file(
        tensors, tmp_path / "z.safetensors", {"reslora": json.dumps(value), "format": "pt"}
    )
    with pytest.raises(FormatError, match="Adapter in safetensors §2"):
        read_adapter(tmp_path / "z.safetensors")
    numpy.save_file(tensors, tmp_path / "none.safetensors", {"format": "pt"})
    with pytest.raises(FormatError, match="Adapter in safetensors §2"):
        read_adapter(tmp_path / "none.safetensors")
    numpy.save_file({**tensors, "y": tensors["x.lora_B"]}, tmp_path / "more.safetensors", {"reslora": text})
    with pytest.raises(FormatError, match="'y'.*Adapter in safetensors §1"):
        read_adapter(tmp_path / "more.safetensors")
    del tensors["x.lora_B"]
    numpy.save_file(tensors, tmp_path / "less.safetensors", {"reslora": text})
    with pytest.raises(FormatError, match="x.lora_B.*Adapter in safetensors §1"):
        read_adapter(tmp_path / "less.safetensors")


def wrong(**changes):
    """Adapters that break one rule each."""
    adapter = make_sample(changes.pop("structure", "is"), base=True, windows=True)
    for key, value in changes.items():
        setattr(adapter, key, value)
    return adapter


def wrong_block(number=0, structure="is", **changes):
    adapter = wrong(structure=structure)
    for key, value in changes.items():
        setattr(adapter.blocks[number], key, value)
    return adapter


def pair(rank=3, into=24, out=24, rank_of_b=None):
    return Pair(
        Tensor("F32", np.zeros((rank, into), "f4")),
        Tensor("F32", np.zeros((out, rank if rank_of_b is None else rank_of_b), "f4")),
    )


Q0, Q1 = (f"model.layers.{n}.self_attn.q_proj" for n in (0, 1))
INVALID = {
    "structure": ("Adapter §2.1", wrong(structure="is", root="both")),
    "pre_num": ("Adapter §2.1", wrong(pre_num=-2)),
    "no blocks": ("Adapter §1.1", wrong(blocks=[])),
    "metadata": ("Adapter §1.7", wrong(metadata={"": "x"})),
    "metadata NUL": ("Adapter §1.7", wrong(metadata={"x": "\0"})),
    "metadata size": ("Adapter §1.7", wrong(metadata={"x": "y" * 2**24})),
    "name": ("Adapter §1.2", wrong_block(1, name="")),
    "long name": ("Adapter §1.2", wrong_block(1, name="é" * 2049)),
    "surrogate": ("Adapter §1.2", wrong_block(1, name="\ud800")),
    "same name": ("Adapter §1.2", wrong_block(1, name=Q0)),
    "scaling": ("Adapter §1.3", wrong_block(scaling=float("inf"))),
    "no pairs": ("Adapter §1.3", wrong_block(pairs=[])),
    "extent": ("Adapter §1.3", wrong_block(pairs=[pair(rank=0)])),
    "rank": ("Adapter §1.3", wrong_block(pairs=[pair(rank_of_b=2)])),
    "in": ("Adapter §1.3", wrong_block(pairs=[pair(), pair(into=25)])),
    "out": ("Adapter §1.3", wrong_block(pairs=[pair(), pair(out=25)])),
    "window": ("Adapter §1.5", wrong_block(windows=NormWindows([-1.0]))),
    "window NaN": ("Adapter §1.5", wrong_block(windows=NormWindows([], [float("nan")]))),
    "window length": ("Adapter §1.5", wrong_block(windows=NormWindows([1.0] * 101))),
    "capacity": ("Adapter §1.5", wrong_block(windows=NormWindows([], [], 0))),
    "base dtype": ("Adapter §1.6", wrong_block(base=BaseWeight("w", "float32", (), "0" * 64))),
    "base hash": ("Adapter §1.6", wrong_block(base=BaseWeight("w", "F32", (), "A" * 64))),
    "base shape": ("Adapter §1.6", wrong_block(base=BaseWeight("w", "F32", (-1,), "0" * 64))),
    "base shape with statistics": (
        "Adapter §1.6",
        wrong_block(base=BaseWeight("w", "F32", (24, 25), "0" * 64, Statistics(1.0, {}))),
    ),
    "base norm": (
        "Adapter §1.6",
        wrong_block(base=BaseWeight("w", "F32", (24, 24), "0" * 64, Statistics(-1.0, {}))),
    ),
    "base cross": (
        "Adapter §1.6",
        wrong_block(base=BaseWeight("w", "F32", (24, 24), "0" * 64, Statistics(1.0, {Q1: 0.0}))),
    ),
    "predecessor": ("Adapter §1.4", wrong_block(previous="nobody")),
    "itself": ("Merging §3.2", wrong_block(previous=Q0)),
    "cycle": ("Merging §3.2", wrong_block(previous=Q1)),
    "link in": ("Merging §3.2", wrong_block(2, pairs=[pair(into=25)])),
    "link out": ("Merging §3.2", wrong_block(2, structure="bs", pairs=[pair(out=25)])),
    "link rank": ("Merging §3.2", wrong_block(2, structure="ms", pairs=[pair(rank=2)])),
    "link pairs": (
        "Merging §2.7",
        wrong_block(2, structure="ms", pairs=[pair(rank=1), pair(rank=2)]),
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_adapters_are_not_written(tmp_path, name):
    section, adapter = INVALID[name]
    for layout in LAYOUTS:
        with pytest.raises(FormatError) as caught:
            write_adapter(adapter, tmp_path / f"x.{layout}")
        assert caught.value.section == section
    assert list(tmp_path.iterdir()) == []


def test_what_other_structures_allow():
    """Merging §3.2."""
    from reslora_formats.validity import check_adapter

    check_adapter(wrong_block(2, pairs=[pair(rank=2, out=25)], base=None), "x")
    check_adapter(wrong_block(2, structure="bs", pairs=[pair(rank=2)]), "x")
    check_adapter(wrong_block(2, structure="plain", pairs=[pair(into=25)], previous=None, base=None), "x")
    adapter = wrong_block(2, structure="ms", pairs=[pair(rank=2)])
    adapter.pre_num = 0
    check_adapter(adapter, "x")


def test_predecessors_in_plain_are_ignored(tmp_path):
    """Merging §3.2: neither written nor kept; but they are names of blocks (Adapter §1.4)."""
    linked = make_sample("is")
    linked.structure = "plain"
    for layout in LAYOUTS:
        write_adapter(make_sample("plain"), tmp_path / f"x.{layout}")
        write_adapter(linked, tmp_path / f"y.{layout}")
        assert (tmp_path / f"x.{layout}").read_bytes() == (tmp_path / f"y.{layout}").read_bytes()
    assert linked.blocks[-1].previous is not None
    for layout, write in (("h5", write_hdf5), ("safetensors", write_safetensors)):
        write(linked, tmp_path / f"z.{layout}")
        assert read_adapter(tmp_path / f"z.{layout}") == make_sample("plain")
        assert (tmp_path / f"z.{layout}").read_bytes() != (tmp_path / f"x.{layout}").read_bytes()
    linked.blocks[0].previous = "nobody"
    with pytest.raises(FormatError, match="nobody"):
        write_adapter(linked, tmp_path / "x.h5")


def test_a_window_without_norms_is_none(tmp_path):
    """Adapter §1.5."""
    adapter = tiny()
    adapter.blocks[0].windows = NormWindows([], [], 7)
    for layout in LAYOUTS:
        write_adapter(adapter, tmp_path / f"x.{layout}")
        plain = tmp_path / f"y.{layout}"
        write_adapter(tiny(), plain)
        assert (tmp_path / f"x.{layout}").read_bytes() == plain.read_bytes()


def test_extension_and_format(tmp_path):
    with pytest.raises(FormatError, match="extension"):
        write_adapter(tiny(), tmp_path / "x.bin")
    for format in ("safetensors", "hdf5", "container"):
        write_adapter(tiny(), tmp_path / "x.bin", format)
        assert read_adapter(tmp_path / "x.bin") == tiny()
    with pytest.raises(ValueError):
        write_adapter(tiny(), tmp_path / "x.bin", "json")
    with pytest.raises(OSError):
        read_adapter(tmp_path / "absent")
    for content in (b"", b"\x89", b"{}", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(500)):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(FormatError):
            read_adapter(tmp_path / "x")


# MARK: - Tensors


def test_every_bf16():
    bits = np.arange(2**16, dtype=np.uint16)
    values = bf16_to_float32(bits)
    nan = np.isnan(values)
    assert np.array_equal(bf16_from_float32(values)[~nan], bits[~nan])
    assert np.isnan(bf16_to_float32(bf16_from_float32(values[nan]))).all()


def test_bf16_rounds_to_nearest_even():
    random = np.random.default_rng(0)
    values = random.integers(0, 2**32, 200_000, np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    got = bf16_to_float32(bf16_from_float32(values)).astype(np.float64)
    down = bf16_to_float32((values.view(np.uint32) >> 16).astype(np.uint16)).astype(np.float64)
    up = bf16_to_float32(((values.view(np.uint32) >> 16) + 1).astype(np.uint16)).astype(np.float64)
    up = np.where(np.isinf(up), np.sign(down) * 2.0**128, up)
    exact = values.astype(np.float64)
    even = (values.view(np.uint32) >> 16) % 2 == 0
    closer = np.abs(exact - down) < np.abs(exact - up)
    tie = np.abs(exact - down) == np.abs(exact - up)
    wanted = np.where(closer | (tie & even), down, up)
    wanted = np.where(np.abs(wanted) == 2.0**128, np.copysign(np.inf, wanted), wanted)
    assert np.array_equal(got, wanted)


def test_float64_rounds_once():
    one = 1 + 2.0**-8  # halfway between two BF16
    assert Tensor.rounded(np.array([one]), "BF16").to_float64()[0] == 1.0
    for tiny_step in (2.0**-40, 2.0**-52):
        assert Tensor.rounded(np.array([one + tiny_step]), "BF16").to_float64()[0] == 1 + 2.0**-7
        assert Tensor.rounded(np.array([one - tiny_step]), "BF16").to_float64()[0] == 1.0
    assert np.isinf(Tensor.rounded(np.array([1e300]), "BF16").to_float64()[0])


def test_arrays_of_others():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    array = np.array([[1.5, -2]], dtype=ml_dtypes.bfloat16)
    assert Tensor.of(array) == Tensor("BF16", np.array([[0x3FC0, 0xC000]], np.uint16))


def test_arrays_of_numpy_and_torch():
    big = np.array([[1, 2], [3, 4]], ">f4")
    assert Tensor.of(big) == Tensor("F32", np.array([[1, 2], [3, 4]], "<f4"))
    assert Tensor.of(big.T).raw().tobytes() == np.array([[1, 3], [2, 4]], "<f4").tobytes()
    with pytest.raises(ValueError):
        Tensor.of(np.zeros(2, int))
    with pytest.raises(ValueError):
        Tensor("F32", np.zeros(2))
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        value = torch.nn.Parameter(torch.tensor([[1.5, -2], [0, 3]], dtype=dtype).T)
        assert np.array_equal(Tensor.of(value).to_float64(), [[1.5, 0], [-2, 3]])
