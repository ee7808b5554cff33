"""The description and its text (Adapter §2)."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from support import TINY_TEXT, C, build, tiny, tiny_chunks

from reslora_formats import FormatError, NormWindows, read_adapter
from reslora_formats.description import describe
from reslora_formats.jsontext import depth, number, parse, quoted
from reslora_formats.sample import make_sample


def read(tmp_path, text: str | bytes, notes=None):
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (tmp_path / "x.reslora").write_bytes(build(tiny_chunks(adpt=C(b"ADPT", content))))
    return read_adapter(tmp_path / "x.reslora", notes=notes)


def with_(old: str, new: str) -> str:
    assert old in TINY_TEXT
    return TINY_TEXT.replace(old, new)


def test_canonical_text():
    assert describe(tiny()) == TINY_TEXT
    adapter = tiny()
    adapter.metadata = {"b": "\x01\x7f\"\\\b\f\n\r\t/é\u2028", "B": "", "ü": "", "a": ""}
    adapter.base_model = "m"
    adapter.blocks[0].windows = NormWindows([0.1, 2.0, 1e300], [], 7)
    assert describe(adapter) == (
        '{"format":"reslora-adapter","version":1,"structure":"plain","root":"self","pre_num":-1,'
        '"base_model":"m","metadata":{"B":"","a":"",'
        '"b":"\\u0001\x7f\\"\\\\\\b\\f\\n\\r\\t/é\u2028","ü":""},'
        '"blocks":[{"name":"x","scaling":0.5,"previous":null,'
        '"windows":{"input":[0.1,2,1e+300],"capacity":7}}]}'
    )


def test_text_is_that_of_a_json_library():
    adapter = make_sample("ms", pairs=2, windows=True, base=True, metadata=True, non_ascii_names=True)
    value = json.loads(describe(adapter))
    again = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert json.loads(again) == value
    assert [block["name"] for block in value["blocks"]] == [b.name for b in adapter.blocks]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-2.5, "-2.5"), (0.1, "0.1"), (100.0, "100"),
        (123456789012345680000.0, "123456789012345680000"), (1e21, "1e+21"), (1.5e21, "1.5e+21"),
        (1e-6, "0.000001"), (1.5e-6, "0.0000015"), (1e-7, "1e-7"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (2.0**53, "9007199254740992"),
        (1 / 3, "0.3333333333333333"), (333333333.3333333, "333333333.3333333"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text
    assert number(-value) == ("-" + text).replace("--", "")


def test_numbers_come_back():
    random = np.random.default_rng(0)
    for bits in random.integers(0, 2**64, 20_000, np.uint64).tolist():
        (value,) = struct.unpack("<d", struct.pack("<Q", bits))
        if np.isfinite(value):
            assert float(number(value)) == value
            assert float(json.loads(number(value))) == value


def test_strings_are_those_of_a_json_library():
    for code in [*range(0x300), 0x2028, 0xFFFF, 0x1F642]:
        assert json.loads(quoted(chr(code))) == chr(code)


REFUSED = {
    "byte order mark": "\ufeff" + TINY_TEXT,
    "not UTF-8": TINY_TEXT.replace("x", "\0").encode().replace(b"\0", b"\xff"),
    "surrogate": with_('"name":"x"', '"name":"\\ud800"'),
    "duplicate": with_('"root":"self"', '"root":"self","root":"self"'),
    "duplicate escaped": with_('"root":"self"', '"root":"self","r\\u006fot":"self"'),
    "duplicate unknown": with_('"root":"self"', '"new":{"a":1,"a":1}'),
    "depth": with_('"root":"self"', '"new":' + "[" * 16 + "]" * 16),
    "very deep": with_('"root":"self"', '"new":' + "[" * 10**6 + "]" * 10**6),
    "NaN": with_("0.5", "NaN"),
    "infinity": with_("0.5", "-Infinity"),
    "comma": with_("]}", "],}"),
    "after": TINY_TEXT + " x",
    "array": "[1]",
    "empty": "",
    "single quotes": TINY_TEXT.replace('"', "'"),
    "control character": with_('"x"', '"x\n"'),
    "range": with_("0.5", "1e400"),
    "scaling": with_("0.5", '"0.5"'),
    "leading zero": with_("0.5", "00.5"),
    "no format": with_('"format":"reslora-adapter",', ""),
    "format": with_("reslora-adapter", "reslora-windows"),
    "structure": with_('"plain"', '"PLAIN"'),
    "no structure": with_('"structure":"plain",', ""),
    "root": with_('"self"', '"both"'),
    "empty root": with_('"self"', '""'),
    "pre_num": with_("-1", "-1.0"),
    "pre_num exponent": with_("-1", "1e0"),
    "pre_num large": with_("-1", "9223372036854775808"),
    "true": with_("-1", "true"),
    "blocks": with_('[{"name":"x","scaling":0.5,"previous":null}]', "{}"),
    "no blocks": with_('{"name":"x","scaling":0.5,"previous":null}', ""),
    "no name": with_('"name":"x",', ""),
    "no scaling": with_('"scaling":0.5,', ""),
    "previous": with_("null", "1"),
    "pairs 0": with_("null", 'null,"pairs":0'),
    "pairs large": with_("null", 'null,"pairs":9223372036854775807'),
    "windows": with_("null", 'null,"windows":[]'),
    "window": with_("null", 'null,"windows":{"input":[null]}'),
    "base": with_("null", 'null,"base":{"tensor":"x"}'),
    "statistics": with_("null", 'null,"base":{"tensor":"x","dtype":"F32","shape":[],"sha256":"' + "0" * 64 + '","statistics":{}}'),
    "metadata": with_('"root":"self"', '"metadata":{"a":1}'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    with pytest.raises(FormatError) as caught:
        read(tmp_path, REFUSED[name])
    assert caught.value.section.startswith(("Adapter §2", "Adapter §1", "Container §4.4"))
    assert "\n" not in str(caught.value)


def test_versions(tmp_path):
    with pytest.raises(FormatError, match="found 2, expected 1.*Versions §2"):
        read(tmp_path, with_('"version":1', '"version":2'))


def test_unknown_keys_are_reported(tmp_path):
    notes: list[str] = []
    text = with_('"root":"self"', '"new":{"a":[1]}').replace(
        "null", 'null,"more":null,"windows":{"extra":1}'
    )
    assert read(tmp_path, text, notes) == tiny()
    assert notes == [
        "block 'x': windows: unknown key 'extra'",
        "block 'x': unknown key 'more'",
        "description: unknown key 'new'",
    ]


def test_other_texts_of_the_same(tmp_path):
    spaced = json.dumps(json.loads(TINY_TEXT), indent=3, sort_keys=True)
    assert read(tmp_path, spaced) == tiny()
    assert read(tmp_path, with_("0.5", "0.05e+1")) == tiny()
    assert read(tmp_path, with_('"root":"self","pre_num":-1,', "")) == tiny()


def test_depth():
    assert depth('{"a":["[[["],"b":"\\"[["}') == 2
    assert depth('"' + '\\"' * 200_000) == 0  # linear
    assert parse('"\\ud83d\\ude42"', "x", "x") == "🙂"
