"""Bases, adapters and captured inputs that runs start from."""
import json
import shutil
import struct
from array import array
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "Fixtures"


def small(workshop):
    """`base.safetensors` of 6 KB and `adapter`, input-shortcut, of ten blocks."""
    case = FIXTURES / "synthetic" / "is-basic"
    shutil.copytree(case / "adapter", workshop.folder / "adapter")
    shutil.copy(case / "base.safetensors", workshop.folder / "base.safetensors")


def sharded(workshop):
    """`base`, a folder of three shards, index and config; and `adapter`."""
    small(workshop)
    workshop.succeed(
        "fold", "adapter", "--method", "none", "--into", "base.safetensors", "-o", "base",
        "--max-shard-size", "1500", "--no-provenance")
    (workshop.folder / "base.safetensors").unlink()
    (workshop.folder / "base" / "config.json").write_text('{"model_type": "test"}\n')
    shards = len(list((workshop.folder / "base").glob("*.safetensors")))
    assert shards == 3, f"{shards} shards"


def captured(workshop):
    """`small`, with `heldout` and `calibration` of captured inputs and `windows.json`."""
    small(workshop)
    case = FIXTURES / "synthetic" / "is-basic"
    for name in ("heldout", "calibration"):
        shutil.copy(case / f"activations-{name}.safetensors", workshop.folder / f"{name}.safetensors")
    shutil.copy(case / "norm-windows.json", workshop.folder / "windows.json")


def converted(source, target):
    """`target`, an input made of another one that is no input then."""
    def prepare(workshop):
        workshop.succeed("convert", source, target)
        path = workshop.folder / source
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return prepare


def old(*names):
    """Other files of the names of outputs."""
    def prepare(workshop):
        for name in names:
            (workshop.folder / name).write_bytes(b"an old file\n")
            (workshop.folder / name).chmod(0o640)
    return prepare


def together(*preparations):
    """One preparation after another."""
    def prepare(workshop):
        for preparation in preparations:
            preparation(workshop)
    return prepare


def old_folder(workshop):
    """`out`, the result of another fold."""
    workshop.succeed("fold", "adapter", "--method", "none", "--into", "base", "-o", "out")


def old_merge(workshop):
    """`out`, the result of another merge."""
    workshop.succeed("merge", "adapter", "--method", "none", "-o", "out")


def two_groups(workshop):
    """`base.safetensors` of two groups of a fold in place and a tensor that stays, and `adapter`."""
    size = 2400
    names = [f"model.layers.{layer}.self_attn.q_proj" for layer in range(2)]
    block = array("f", ((number * 37 % 1009) / 1009 - 0.5 for number in range(size))).tobytes()
    write(
        workshop.folder / "base.safetensors",
        [("model.embed_tokens.weight", [500, size], block * 500)]
        + [(f"{name}.weight", [size, size], block * size) for name in names])
    adapter = workshop.folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["q_proj"]}))
    factors = []
    for name in names:
        factors.append((f"base_model.model.{name}.lora_A.weight", [1, size], block))
        factors.append((f"base_model.model.{name}.lora_B.weight", [size, 1], block))
    write(adapter / "adapter_model.safetensors", factors)


def write(path, tensors):
    """Writes a safetensors file of float32 tensors: (name, shape, bytes)."""
    header, offset = {}, 0
    for name, shape, data in tensors:
        end = offset + len(data)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors:
            file.write(data)
