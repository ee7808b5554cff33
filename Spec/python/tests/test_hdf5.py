"""The HDF5 layouts, and files as others write them (Adapter in HDF5)."""

from __future__ import annotations

import time

import h5py
import numpy as np
import pytest
from h5py import h5s
from support import tiny

from reslora_formats import FormatError, NormWindows, Tensor, read_adapter, write_adapter
from reslora_formats.hdf5_types import bf16_type, link_name, name_of_link
from reslora_formats.sample import make_sample


def test_rows_too_large_for_a_chunk(tmp_path):
    adapter = tiny()
    pair = adapter.blocks[0].pairs[0]
    pair.lora_A = Tensor("F32", np.zeros((1, 2**22 + 1), "f4"))
    write_adapter(adapter, tmp_path / "wide.h5")
    with h5py.File(tmp_path / "wide.h5") as file:
        assert file["blocks/x/lora_A"].chunks is None
    assert read_adapter(tmp_path / "wide.h5") == adapter


@pytest.fixture
def path(tmp_path):
    write_adapter(tiny(), tmp_path / "x.h5")
    return tmp_path / "x.h5"


def by_hand(path, text=str):
    """``tiny()`` as somebody writes it with h5py, attributes in h5py's own types."""
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["format"] = text("reslora-adapter")
        file.attrs["version"] = 1
        file.attrs["structure"] = text("plain")
        block = file.create_group("blocks/x")
        block.attrs["index"] = np.uint8(0)
        block.attrs["scaling"] = np.float32(0.5)
        block["lora_A"] = np.array([[1, 2]], ">f2")
        block.create_dataset(
            "lora_B", data=np.array([[3]], "f4"), chunks=(1, 1), fletcher32=True, shuffle=True,
            compression=9, maxshape=(None, 1),
        )
        yield file


@pytest.mark.parametrize(
    "text",
    [
        str,  # variable length, UTF-8
        lambda s: np.bytes_(s.encode()),  # fixed length, ASCII, padded with zeros
        lambda s: np.array(s, dtype=h5py.string_dtype("utf-8", 99)),
        lambda s: np.array(s, dtype=h5py.string_dtype("ascii")),
    ],
)
def test_strings_of_h5py(tmp_path, text):
    for file in by_hand(tmp_path / "x.h5", text):
        file["metadata/a%2Fb"] = np.bytes_(b"value")
        file["metadata"]["c"] = "of variable length"
        file["blocks/x"].create_group("base").attrs.update(
            tensor=text("w"), dtype=text("F32"), sha256=text("0" * 64), shape=np.array([2, 3], ">i2")
        )
    adapter = read_adapter(tmp_path / "x.h5")
    assert adapter.metadata == {"a/b": "value", "c": "of variable length"}
    assert adapter.blocks[0].base.shape == (2, 3)
    adapter.metadata, adapter.blocks[0].base = {}, None
    assert adapter == tiny()


@pytest.mark.parametrize(
    ("padding", "raw", "value"),
    [
        (h5py.h5t.STR_NULLTERM, b"self\0xx", "self"),
        (h5py.h5t.STR_NULLPAD, b"self\0\0\0", "self"),
        (h5py.h5t.STR_SPACEPAD, b"self   ", "self"),
        (h5py.h5t.STR_NULLPAD, b"self   ", None),
        (h5py.h5t.STR_NULLPAD, b"se\xfff\0\0\0", None),
    ],
)
def test_padding_of_strings(tmp_path, padding, raw, value):
    for file in by_hand(tmp_path / "x.h5"):
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(7)
        kind.set_strpad(padding)
        attribute = h5py.h5a.create(file.id, b"root", kind, h5s.create(h5s.SCALAR))
        attribute.write(np.frombuffer(raw, "V7")[0:1].reshape(()), mtype=kind)
    if value is None:
        with pytest.raises(FormatError):
            read_adapter(tmp_path / "x.h5")
    else:
        assert read_adapter(tmp_path / "x.h5").root == value


def test_bytes_do_not_depend_on_time(tmp_path):
    adapter = make_sample(pairs=2, dtype="mixed", windows=True, base=True, metadata=True)
    adapter.blocks[0].pairs[0].lora_A = Tensor("F32", np.ones((3, 24), "f4"))
    write_adapter(adapter, tmp_path / "x.h5")
    time.sleep(1.1)
    write_adapter(adapter, tmp_path / "y.h5")
    assert (tmp_path / "x.h5").read_bytes() == (tmp_path / "y.h5").read_bytes()


def test_layout_of_datasets(tmp_path):
    adapter = tiny()
    pair = adapter.blocks[0].pairs[0]
    values = np.random.default_rng(0).standard_normal((300, 2048))
    pair.lora_A = Tensor.rounded(values, "BF16")
    pair.lora_B = Tensor.rounded(values[:2, :300], "F32")
    adapter.blocks[0].windows = NormWindows([1.0] * 511, [1.0] * 512, 600)
    write_adapter(adapter, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        block = file["blocks/x"]
        A = block["lora_A"]
        assert A.chunks == (256, 2048) and A.shuffle and A.compression_opts == 4
        assert block["lora_B"].chunks is None
        assert block["windows/input"].chunks is None and block["windows/projection"].chunks == (512,)
        # As the note of §1.5 says.
        assert np.array_equal(A[...], pair.lora_A.to_float32())
        bits = np.empty(A.shape, np.uint16)
        A.id.read(h5s.ALL, h5s.ALL, bits, mtype=A.id.get_type())
        assert np.array_equal(bits, pair.lora_A.data)
        for attribute in ("format", "structure"):
            kind = h5py.h5a.open(file.id, attribute.encode()).get_type()
            assert kind.get_strpad() == h5py.h5t.STR_NULLPAD
            assert kind.get_cset() == h5py.h5t.CSET_UTF8
            assert kind.get_size() == len(file.attrs[attribute])
    assert read_adapter(tmp_path / "x.h5") == adapter


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_big_endian(path, dtype):
    value = Tensor.rounded(np.array([[1.5, -3.25]]), dtype)
    kind = {
        "F64": h5py.h5t.IEEE_F64LE, "F32": h5py.h5t.IEEE_F32LE, "F16": h5py.h5t.IEEE_F16LE,
        "BF16": bf16_type(),
    }[dtype].copy()
    kind.set_order(h5py.h5t.ORDER_BE)
    with h5py.File(path, "r+") as file:
        del file["blocks/x/lora_A"]
        group = file["blocks/x"].id
        dataset = h5py.h5d.create(group, b"lora_A", kind, h5s.create_simple((1, 2)))
        dataset.write(h5s.ALL, h5s.ALL, value.data.byteswap(), mtype=kind)
    assert read_adapter(path).blocks[0].pairs[0].lora_A == value


def test_names_of_links():
    for name, link in [(".", "%2E"), ("..", "%2E%2E"), ("...", "..."), ("a/b%c", "a%2Fb%25c")]:
        assert link_name(name) == link
        assert name_of_link(link.encode(), "x") == name
    assert name_of_link(b"%41%c3%a9", "x") == "Aé"
    for link in (b"%", b"%4", b"%4g", b"100%", b"%ff", b"\xff"):
        with pytest.raises(FormatError, match="§1.4"):
            name_of_link(link, "x")


def set_(owner: str, name: str, value):
    return lambda file: file[owner].attrs.__setitem__(name, value)


def drop(owner: str, name: str):
    return lambda file: file[owner].attrs.__delitem__(name)


def replace(link: str, value, **options):
    def change(file):
        if link in file:
            del file[link]
        file.create_dataset(link, data=value, **options)

    return change


def move(old: str, new: str):
    return lambda file: file.move(old, new)


def soft(file):
    file["blocks/y"] = h5py.SoftLink("/blocks/x")


def external(file):
    file["blocks/x/more"] = h5py.ExternalLink("other.h5", "/")


def virtual(file):
    layout = h5py.VirtualLayout((1, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (1, 2))
    del file["blocks/x/lora_A"]
    file.create_virtual_dataset("blocks/x/lora_A", layout)


def stored_outside(file):
    del file["blocks/x/lora_A"]
    file.create_dataset("blocks/x/lora_A", (1, 2), "f4", external=[("other.bin", 0, 8)])


MALFORMED = {
    "no format": ("§2.1", drop("/", "format")),
    "format": ("§2.1", set_("/", "format", "reslora-windows")),
    "format number": ("§1.2", set_("/", "format", 1)),
    "format array": ("§1.3", set_("/", "format", ["reslora-adapter"])),
    "format empty": ("§1.3", set_("/", "format", h5py.Empty("S1"))),
    "no version": ("§2.1", drop("/", "version")),
    "version": ("Versions §2", set_("/", "version", 2)),
    "version float": ("§1.3", set_("/", "version", 1.0)),
    "version bool": ("§1.3", set_("/", "version", True)),
    "no structure": ("§2.1", drop("/", "structure")),
    "structure": ("Adapter §2.1", set_("/", "structure", "input")),
    "root": ("Adapter §2.1", set_("/", "root", "")),
    "pre_num": ("Adapter §2.1", set_("/", "pre_num", -2)),
    "no blocks": ("§2.3", lambda file: file.__delitem__("blocks")),
    "blocks dataset": ("§2.3", replace("blocks", 1)),
    "empty blocks": ("Adapter §1.1", lambda file: file.__delitem__("blocks/x")),
    "block dataset": ("§2.3", replace("blocks/x", 1)),
    "no index": ("§2.3", drop("blocks/x", "index")),
    "index": ("§2.3", set_("blocks/x", "index", 1)),
    "no scaling": ("§2.3", drop("blocks/x", "scaling")),
    "scaling text": ("§1.3", set_("blocks/x", "scaling", "1")),
    "scaling NaN": ("Adapter §1.3", set_("blocks/x", "scaling", np.nan)),
    "previous": ("Adapter §1.4", set_("blocks/x", "previous", "y")),
    "previous number": ("§1.2", set_("blocks/x", "previous", 1)),
    "no B": ("§2.3", lambda file: file.__delitem__("blocks/x/lora_B")),
    "gap": ("§2.3", move("blocks/x/lora_B", "blocks/x/lora_B.1")),
    "numbered single": ("§2.3", lambda file: (
        move("blocks/x/lora_A", "blocks/x/lora_A.0")(file),
        move("blocks/x/lora_B", "blocks/x/lora_B.0")(file),
    )),
    "integers": ("§1.5", replace("blocks/x/lora_A", np.ones((1, 2), "i4"))),
    "rank 1": ("§1.5", replace("blocks/x/lora_A", np.ones(2, "f4"))),
    "null": ("§1.5", replace("blocks/x/lora_A", h5py.Empty("f4"))),
    "chunk": (
        "§1.5",
        replace(
            "blocks/x/lora_A", None, shape=(1, 2), dtype="f4", chunks=(1, 2**24 + 1),
            maxshape=(None, None),
        ),
    ),
    "filter": ("§1.5", replace("blocks/x/lora_A", np.ones((1, 2), "f4"), compression="lzf")),
    "shape": ("Adapter §1.3", replace("blocks/x/lora_A", np.ones((2, 2), "f4"))),
    "soft link": ("§1.1", soft),
    "external link": ("§1.1", external),
    "virtual": ("§1.1", virtual),
    "external storage": ("§1.1", stored_outside),
    "name": ("§1.4", move("blocks/x", "blocks/x%")),
    "same name": ("§1.4", lambda file: file.copy("blocks/x", "blocks/%78")),
    "metadata": ("§2.2", replace("metadata", "x")),
    "metadata group": ("§2.2", lambda file: file.create_group("metadata/x")),
    "metadata number": ("§1.2", replace("metadata/x", 1)),
    "metadata array": ("§2.2", replace("metadata/x", ["x"])),
    "windows dataset": ("§2.3", replace("blocks/x/windows", 1)),
    "window float32": ("§2.4", replace("blocks/x/windows/input", np.ones(3, "f4"))),
    "window rank": ("§1.5", replace("blocks/x/windows/input", np.ones((3, 1)))),
    "window value": ("Adapter §1.5", replace("blocks/x/windows/input", [-1.0])),
    "base": ("§2.5", lambda file: file.create_group("blocks/x/base")),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(path, name):
    section, change = MALFORMED[name]
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FormatError) as caught:
        read_adapter(path)
    wanted = f"Adapter in HDF5 {section}" if section.startswith("§") else section
    assert caught.value.section == wanted
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["squared_norm", "cross"])
def test_half_of_the_statistics(tmp_path, missing):
    write_adapter(make_sample(base=True), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        base = next(iter(file["blocks"].values()))["base"]
        del (base.attrs if missing == "squared_norm" else base)[missing]
    with pytest.raises(FormatError, match=f"{missing}.*§2.5"):
        read_adapter(tmp_path / "x.h5")


def test_user_block(path):
    path.write_bytes(bytes(512) + path.read_bytes())
    with pytest.raises(FormatError):
        read_adapter(path)


def test_unknown_objects_are_reported(path):
    with h5py.File(path, "r+") as file:
        file["other"] = 1
        file.attrs["also"] = 1
        file["blocks/x/lora_C"] = 1
        file["blocks/x"].attrs["note"] = "x"
        file["blocks/x/windows/third"] = 1
    notes: list[str] = []
    assert read_adapter(path, notes=notes) == tiny()
    assert len(notes) == 5


def test_damaged_files_raise_one_kind_of_error(path):
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            read_adapter(path)
        except FormatError:
            pass
    for length in random.integers(0, len(content), 100):
        path.write_bytes(content[:length])
        with pytest.raises(FormatError):
            read_adapter(path)
