"""``python -m reslora_formats``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from support import LAYOUTS

from reslora_formats import NormWindows, read_adapter, write_activations, write_windows
from reslora_formats.__main__ import main
from reslora_formats.sample import make_sample


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        status = exit.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_samples_and_dumps(tmp_path, capsys):
    options = ["--seed", 3, "--structure", "ms", "--dtype", "BF16", "--pairs", 2, "--windows",
               "--base", "--metadata", "--non-ascii-names"]
    outputs = set()
    for layout in LAYOUTS:
        assert run(capsys, "make-sample", tmp_path / f"x.{layout}", *options) == (0, "", "")
        status, out, err = run(capsys, "dump", tmp_path / f"x.{layout}")
        assert (status, err) == (0, "")
        outputs.add(out)
    assert len(outputs) == 1
    value = json.loads(outputs.pop())
    assert list(value) == sorted(value)
    assert value["kind"] == "adapter" and value["structure"] == "ms"
    assert value["blocks"][0]["tensors"]["lora_A.1"]["dtype"] == "BF16"
    sample = make_sample("ms", seed=3, dtype="BF16", pairs=2, windows=True, base=True,
                         metadata=True, non_ascii_names=True)
    assert read_adapter(tmp_path / "x.h5") == sample


def test_convert(tmp_path, capsys):
    run(capsys, "make-sample", tmp_path / "a.h5", "--windows")
    for compression in ("none", "zlib", "zstd", "auto"):
        to = tmp_path / f"{compression}.reslora"
        assert run(capsys, "convert", tmp_path / "a.h5", to, "--compression", compression)[0] == 0
        assert read_adapter(to) == read_adapter(tmp_path / "a.h5")
    write_windows({"x": NormWindows([1.5])}, tmp_path / "w.json")
    run(capsys, "convert", tmp_path / "w.json", tmp_path / "w.h5")
    out = run(capsys, "dump", tmp_path / "w.h5")[1]
    assert out == run(capsys, "dump", tmp_path / "w.json")[1]
    assert json.loads(out) == {
        "kind": "windows", "blocks": {"x": {"input": [1.5], "projection": []}},
    }
    write_activations(tmp_path / "x.h5", {"a": np.ones((2, 3), "f2")}, {"x": "a"})
    run(capsys, "convert", tmp_path / "x.h5", tmp_path / "x.safetensors")
    out = run(capsys, "dump", tmp_path / "x.safetensors")[1]
    assert out == run(capsys, "dump", tmp_path / "x.h5")[1]
    assert json.loads(out)["inputs"]["a"]["shape"] == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2),
        (["dump"], 2),
        (["dump", "absent"], 1),
        (["dump", "."], 1),
        (["dump", "bad"], 1),
        (["convert", "bad", "x.h5"], 1),
        (["convert", "bad", "x.bin"], 2),
        (["convert", "good.h5", "absent/x.h5"], 1),
        (["convert", "good.h5", "x.json"], 1),
        (["make-sample", "x.h5", "--pairs", "0"], 2),
        (["make-sample", "x.h5", "--dtype", "I8"], 2),
    ],
)
def test_status_and_one_line(tmp_path, capsys, monkeypatch, arguments, status):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").write_bytes(b"\n\n")
    run(capsys, "make-sample", "good.h5")
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (status, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "good.h5"]


def test_samples_of_other_kinds(tmp_path, capsys):
    for kind, layouts in (("windows", ("json", "h5")), ("activations", ("safetensors", "h5"))):
        paths = [tmp_path / f"{kind}.{layout}" for layout in layouts]
        for path in paths:
            make = ["make-sample", path, "--kind", kind, "--non-ascii-names", "--dtype", "mixed"]
            assert run(capsys, *make) == (0, "", "")
        status, out, _ = run(capsys, "dump", "--compact", *paths)
        first, second = out.splitlines()
        assert status == 0 and first == second
        assert json.loads(first) == json.loads(run(capsys, "dump", paths[0])[1])
        assert list(json.loads(first)) == sorted(json.loads(first))


def test_batch(tmp_path, capsys, monkeypatch):
    def batch(*lines: object) -> tuple[int, str, str]:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return run(capsys, "batch")

    monkeypatch.chdir(tmp_path)
    make, dump = ["make-sample", "é.h5"], ["dump", "é.h5", "--compact"]
    status, out, err = batch(make, dump, dump)
    assert (status, err) == (0, "") and len(set(out.splitlines())) == 1
    status, out, err = batch(dump, ["dump", "absent"], make)
    assert status == 1 and out.count("\n") == 1 and err.count("\n") == 1
    assert batch() == (0, "", "")
    for line in ("x", [1], {}, ["batch"]):
        assert batch(line)[::2][0] == 2


def test_as_a_module(tmp_path):
    command = [sys.executable, "-m", "reslora_formats"]
    path = tmp_path / "größe.reslora"
    environment = {"PYTHONPATH": ":".join(sys.path), "LC_ALL": "C", "PYTHONUTF8": "0"}
    make = [*command, "make-sample", path, "--non-ascii-names"]
    subprocess.run(make, env=environment, check=True)
    done = subprocess.run([*command, "dump", path], env=environment, capture_output=True, check=True)
    assert "größe" in done.stdout.decode("utf-8")


def test_torch_is_not_imported():
    code = "import sys, reslora_formats; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=True)


def test_outputs_that_exist(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make = ["make-sample", "a.h5"]
    assert run(capsys, *make) == (0, "", "")
    before = (tmp_path / "a.h5").read_bytes()
    run(capsys, "make-sample", "b.safetensors", "--seed", 1)
    (tmp_path / "link.h5").symlink_to("a.h5")
    (tmp_path / "dangling.h5").symlink_to("absent.h5")
    for arguments in (make, [*make[:1], "dangling.h5"], ["convert", "b.safetensors", "a.h5"]):
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "") and err.count("\n") == 1
        assert f"{arguments[-1]}: exists, and is replaced only with --force" in err
    for output in ("a.h5", "./a.h5", "link.h5"):
        for force in ([], ["--force"]):
            status, out, err = run(capsys, "convert", "a.h5", output, *force)
            assert (status, out) == (2, "") and f"{output}: is the input" in err
    assert (tmp_path / "a.h5").read_bytes() == before
    assert run(capsys, "convert", "b.safetensors", "a.h5", "--force") == (0, "", "")
    assert read_adapter("a.h5") == read_adapter("b.safetensors")
    assert run(capsys, *make, "--force") == (0, "", "")
    assert (tmp_path / "a.h5").read_bytes() == before


def test_errors_name_the_output(tmp_path, capsys):
    output = tmp_path / "absent" / "x.h5"
    for kind in ("adapter", "windows", "activations"):
        found = run(capsys, "make-sample", output, "--kind", kind)
        assert found == (1, "", f"error: {output}: No such file or directory\n")
    folder = tmp_path / "folder.h5"
    folder.mkdir()
    found = run(capsys, "make-sample", folder, "--force")
    assert found == (1, "", f"error: {folder}: Is a directory\n")
    assert list(tmp_path.iterdir()) == [folder]
    status, out, err = run(capsys, "make-sample", tmp_path / "x")
    assert (status, out) == (2, "")
    assert "x: extension (found none, expected one of .safetensors, .h5," in err and "[" not in err


@pytest.mark.parametrize("content", ["", "import numpy as np\n", "\n\nimport x\n", "hi\n", "\0" * 99])
def test_unknown_contents(tmp_path, capsys, content):
    path = tmp_path / "x"
    path.write_text(content)
    expected = "expected safetensors, HDF5, .reslora or JSON"
    found = "" if content else "found an empty file, "
    text = f"error: {path}: not a file of a known format ({found}{expected})\n"
    for arguments in (["dump", path], ["convert", path, tmp_path / "y.h5"]):
        assert run(capsys, *arguments) == (1, "", text)


def test_no_regular_file(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        found = run(capsys, "dump", path)
        assert found == (1, "", f"error: {path}: not a regular file\n")
