"""Activations (Activations) and norm windows (Merging §3.5, Adapter in HDF5 §3)."""

from __future__ import annotations

import json
import tracemalloc

import h5py
import numpy as np
import pytest

from reslora_formats import (
    ActivationsWriter,
    FormatError,
    NormWindows,
    Tensor,
    read_activations,
    read_windows,
    write_activations,
    write_windows,
)
from reslora_formats.dump import dump
from reslora_formats.sample import make_sample

BLOCKS = {"q": "in/1", "v": "in/1", "größe": "."}


def matrices(dtype: str = "F16", tokens: int = 50) -> dict[str, Tensor]:
    random = np.random.default_rng(5)
    return {
        "in/1": Tensor.rounded(random.standard_normal((tokens, 24)), dtype),
        ".": Tensor.rounded(random.standard_normal((tokens, 7)), dtype),
    }


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_both_layouts_hold_the_same(tmp_path, dtype):
    inputs = matrices(dtype)
    text = {"tokens": "non-padding only", "a": ""}
    for name in ("x.h5", "x.safetensors"):
        write_activations(tmp_path / name, inputs, BLOCKS, text)
        with read_activations(tmp_path / name) as activations:
            assert activations.blocks == BLOCKS and activations.metadata == text
            assert activations.tokens == 50
            for key, tensor in inputs.items():
                assert activations.tensor(key) == tensor
                pieces = list(activations.pieces(key, 100))
                assert all(piece.dtype == dtype for piece in pieces)
                assert np.array_equal(np.concatenate([p.data for p in pieces]), tensor.data)
            write_activations(
                tmp_path / f"of-{name}.safetensors", activations.inputs, activations.blocks,
                activations.metadata,
            )
            write_activations(
                tmp_path / f"of-{name}.h5", activations.inputs, activations.blocks,
                activations.metadata,
            )
    for layout in ("safetensors", "h5"):
        wanted = (tmp_path / f"x.{layout}").read_bytes()
        for name in ("x.h5", "x.safetensors"):
            assert (tmp_path / f"of-{name}.{layout}").read_bytes() == wanted
    assert dump(tmp_path / "x.h5") == dump(tmp_path / "x.safetensors")


def test_safetensors_bytes_are_those_of_the_library(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    inputs = matrices("F32")
    write_activations(tmp_path / "x.safetensors", inputs, BLOCKS)
    text = json.dumps(dict(sorted(BLOCKS.items())), ensure_ascii=False, separators=(",", ":"))
    wanted = numpy.save({k: t.data for k, t in inputs.items()}, {"inputs": text})
    assert (tmp_path / "x.safetensors").read_bytes() == wanted


@pytest.mark.parametrize("name", ["x.h5", "x.safetensors"])
def test_rows_in_pieces(tmp_path, name):
    inputs = matrices("BF16", 1000)
    with ActivationsWriter(tmp_path / name, BLOCKS) as writer:
        start = 0
        for count in (1, 0, 299, 7, 693):
            writer.add(
                {k: Tensor(t.dtype, t.data[start : start + count]) for k, t in inputs.items()}
            )
            start += count
        with pytest.raises(ValueError):
            writer.add({"in/1": inputs["in/1"]})
        with pytest.raises(ValueError):
            writer.add({"in/1": inputs["in/1"], ".": Tensor("BF16", inputs["."].data[:1])})
    write_activations(tmp_path / f"whole-{name}", inputs, BLOCKS)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


@pytest.mark.parametrize("name", ["x.h5", "x.safetensors"])
def test_memory_is_bounded(tmp_path, name):
    rows = {"a": np.zeros((1000, 1024), "f2"), "b": np.ones((1000, 1024), "f2")}
    tracemalloc.start()
    with ActivationsWriter(tmp_path / name, {"a": "a", "b": "b"}) as writer:
        for _ in range(10):  # 40 MB
            writer.add(rows)
    with read_activations(tmp_path / name) as activations:
        for piece in activations.pieces("b"):
            assert piece.nbytes <= 2**20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**20


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        with ActivationsWriter(tmp_path / "x.h5", BLOCKS) as writer:
            writer.add(matrices())
            raise RuntimeError
    with pytest.raises(FormatError):
        with ActivationsWriter(tmp_path / "x.h5", BLOCKS):
            pass
    assert list(tmp_path.iterdir()) == []


def test_against_an_adapter(tmp_path):
    adapter = make_sample()
    blocks = {block.name: "x" for block in adapter.blocks}
    write_activations(tmp_path / "x.h5", {"x": np.zeros((2, 24), "f2")}, blocks)
    with read_activations(tmp_path / "x.h5") as activations:
        activations.check_adapter(adapter)
        assert activations.input_of(adapter.blocks[0].name).shape == (2, 24)
        del activations.blocks[adapter.blocks[0].name]
        with pytest.raises(FormatError, match="no input"):
            activations.check_adapter(adapter)
    write_activations(tmp_path / "x.h5", {"x": np.zeros((2, 23), "f2")}, blocks)
    with read_activations(tmp_path / "x.h5") as activations:
        with pytest.raises(FormatError, match="features"):
            activations.check_adapter(adapter)


@pytest.mark.parametrize("name", ["x.h5", "x.safetensors"])
@pytest.mark.parametrize(
    ("inputs", "blocks"),
    [
        ({}, {}),
        ({"a": np.zeros((2, 3), "f2")}, {}),
        ({"a": np.zeros((2, 3), "f2")}, {"x": "b"}),
        ({"a": np.zeros((2, 3), "f2"), "b": np.zeros((2, 3), "f2")}, {"x": "a"}),
        ({"a": np.zeros((2, 3), "f2"), "b": np.zeros((3, 3), "f2")}, {"x": "a", "y": "b"}),
        ({"a": np.zeros((2, 0), "f2")}, {"x": "a"}),
        ({"a": np.zeros(2, "f2")}, {"x": "a"}),
        ({"": np.zeros((2, 3), "f2")}, {"x": ""}),
    ],
)
def test_what_is_no_activations(tmp_path, name, inputs, blocks):
    with pytest.raises(FormatError) as caught:
        write_activations(tmp_path / name, inputs, blocks)
    assert caught.value.section in ("Activations §1", "Adapter §1.2")
    assert list(tmp_path.iterdir()) == []


def test_malformed_safetensors(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "x.safetensors"
    tensors = {"a": np.zeros((2, 3), "f2")}
    for metadata, section in [
        (None, "Activations §2"),
        ({"inputs": "["}, "Activations §2"),
        ({"inputs": "[]"}, "Activations §2"),
        ({"inputs": '{"x":1}'}, "Activations §2"),
        ({"inputs": '{"x":"a","x":"a"}'}, "Activations §2"),
        ({"inputs": '{"x":"b"}'}, "Activations §1"),
        ({"inputs": "{}"}, "Activations §1"),
    ]:
        numpy.save_file(tensors, path, metadata)
        with pytest.raises(FormatError) as caught:
            read_activations(path)
        assert caught.value.section == section
    numpy.save_file({"a": np.zeros((2, 3), "i4")}, path, {"inputs": '{"x":"a"}'})
    with pytest.raises(FormatError, match="I32"):
        read_activations(path)
    with pytest.raises(FormatError, match="Activations §2"):
        write_activations(path, tensors, {"x": "a"}, {"inputs": "taken"})


HEADERS = {
    "length": b"\xff" * 8 + b"{}",
    "no object": b"\2\0\0\0\0\0\0\0[]",
    "space first": b"\3\0\0\0\0\0\0\0 {}",
}
for title, header, data in [
    ("gap", {"a": {"dtype": "F16", "shape": [1, 1], "data_offsets": [2, 4]}}, 4),
    ("after", {"a": {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 2]}}, 4),
    ("before the end", {"a": {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 2]}}, 1),
    ("size", {"a": {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 4]}}, 4),
    ("negative", {"a": {"dtype": "F16", "shape": [-1, -1], "data_offsets": [0, 2]}}, 2),
    ("float", {"a": {"dtype": "F16", "shape": [1.0, 1], "data_offsets": [0, 2]}}, 2),
    ("dtype", {"a": {"dtype": "f16", "shape": [1, 1], "data_offsets": [0, 2]}}, 2),
    ("members", {"a": {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 2], "x": 1}}, 2),
    ("metadata", {"__metadata__": {"x": 1}}, 0),
]:
    text = json.dumps(header).encode()
    HEADERS[title] = len(text).to_bytes(8, "little") + text + bytes(data)


@pytest.mark.parametrize("name", HEADERS)
def test_malformed_headers(tmp_path, name):
    (tmp_path / "x").write_bytes(HEADERS[name])
    with pytest.raises(FormatError) as caught:
        read_activations(tmp_path / "x")
    assert caught.value.section == "Activations §2"


def test_malformed_hdf5(tmp_path):
    path = tmp_path / "x.h5"
    for change, section in [
        (lambda f: f.attrs.__setitem__("format", "reslora-adapter"), "Adapter in HDF5 §2.1"),
        (lambda f: f.attrs.__setitem__("version", 2), "Versions §2"),
        (lambda f: f.__delitem__("inputs"), "Activations §3"),
        (lambda f: f.__delitem__("blocks"), "Activations §3"),
        (lambda f: f.create_group("inputs/x"), "Activations §3"),
        (lambda f: f.__setitem__("inputs/x", np.ones((50, 2), "i2")), "Adapter in HDF5 §1.5"),
        (lambda f: f.__setitem__("inputs/x", np.ones((50, 2), "f2")), "Activations §1"),
        (lambda f: f["blocks/q"].attrs.__delitem__("input"), "Activations §3"),
        (lambda f: f["blocks/q"].attrs.__setitem__("input", "x"), "Activations §1"),
    ]:
        write_activations(path, matrices(), BLOCKS)
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(FormatError) as caught:
            read_activations(path)
        assert caught.value.section == section


# MARK: - Windows


WINDOWS = {
    "b/%": NormWindows([0.1, 2.0, 5e-324], [1e300]),
    "a": NormWindows([], [1.0]),
    "é": NormWindows([float(n) for n in range(100)]),
}


@pytest.mark.parametrize("name", ["w.json", "w.h5"])
def test_windows(tmp_path, name):
    write_windows({**WINDOWS, "none": NormWindows()}, tmp_path / name)
    assert read_windows(tmp_path / name) == WINDOWS
    write_windows(dict(reversed(WINDOWS.items())), tmp_path / f"again-{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()


def test_windows_of_a_page(tmp_path):
    """The example of Merging §3.5."""
    (tmp_path / "w.json").write_text(
        """{
  "model.layers.0.self_attn.q_proj": {"input": [403.1, 399.8], "projection": [41.2, 40.7]},
  "model.layers.1.self_attn.q_proj": {"input": [455.0, 455.2]}
}"""
    )
    assert read_windows(tmp_path / "w.json") == {
        "model.layers.0.self_attn.q_proj": NormWindows([403.1, 399.8], [41.2, 40.7]),
        "model.layers.1.self_attn.q_proj": NormWindows([455.0, 455.2]),
    }


def test_capacities(tmp_path):
    long = {"x": NormWindows([1.0] * 150, [], 200)}
    for name in ("w.json", "w.h5"):
        write_windows(long, tmp_path / name)
        assert read_windows(tmp_path / name) == long
    (tmp_path / "w.json").write_text(json.dumps({"x": {"input": [1] * 150}}))
    with pytest.raises(FormatError, match="found 150 norms, expected at most 100.*Merging §3.5"):
        read_windows(tmp_path / "w.json")
    assert read_windows(tmp_path / "w.json", capacity=200) == long


@pytest.mark.parametrize(
    "text",
    [
        "[]", '{"x":[]}', '{"x":{"input":1}}', '{"x":{"input":["1"]}}', '{"x":{"input":[-1]}}',
        '{"x":{"input":[NaN]}}', '{"x":{"other":[]}}', '{"x":{},"x":{}}', '{"":{}}', "{",
        '{"x":{"input":[1],"capacity":0}}', '{"x":{"input":[1,1],"capacity":1}}',
    ],
)  # fmt: skip
def test_malformed_windows(tmp_path, text):
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(FormatError) as caught:
        read_windows(tmp_path / "w.json")
    assert caught.value.section in ("Merging §3.5", "Adapter §1.2")


def test_extensions_are_checked_before_rows(tmp_path):
    with pytest.raises(FormatError, match="extension"):
        ActivationsWriter(tmp_path / "x.json", {"q": "a"})
    with pytest.raises(ValueError, match="format 'json'"):
        ActivationsWriter(tmp_path / "x.h5", {"q": "a"}, format="json")


@pytest.mark.parametrize(("structure", "kind"), [("is", "input"), ("ms", "projection")])
def test_windows_of_samples_are_enough_to_merge(structure, kind):
    for block in make_sample(structure, windows=True).blocks:
        norms = getattr(block.windows, kind)
        assert norms and all(0 < norm < 100 for norm in norms)
