"""What a file holds, as a value for canonical JSON."""

from __future__ import annotations

import hashlib
from typing import Any

from . import container
from . import hdf5_types as hdf5
from .activations import FORMAT as ACTIVATIONS
from .activations import Activations, pieces, read_activations
from .activations_safetensors import KEY as INPUTS
from .adapter_safetensors import KEY as DESCRIPTION
from .adapters import read_adapter
from .description import describe_base
from .files import Path, layout_of_content
from .hdf5_types import Attributes
from .model import Adapter, Block, NormWindows
from .safetensors_file import SafetensorsFile
from .tensor import Tensor
from .windows import FORMAT as WINDOWS
from .windows import read_windows


def kind_of(path: Path) -> str:
    """``adapter``, ``windows`` or ``activations``, by the content of the file."""
    layout = layout_of_content(path)
    if layout == "json":
        return "windows"
    if layout == "hdf5":
        with hdf5.reading(path) as file:
            format = Attributes(file, "/", str(path)).string("format")
        return {WINDOWS: "windows", ACTIVATIONS: "activations"}.get(format or "", "adapter")
    if layout == "safetensors":
        metadata = SafetensorsFile(path, "Adapter in safetensors §3").metadata
        if INPUTS in metadata and DESCRIPTION not in metadata:
            return "activations"
    return "adapter"


def dump(path: Path) -> dict[str, Any]:
    """The content of a file: what two programs that read it must agree on."""
    kind = kind_of(path)
    if kind == "windows":
        windows = read_windows(path, capacity=2**63 - 1)
        return {
            "kind": kind,
            "blocks": {name: dump_lists(value) for name, value in windows.items()},
        }
    if kind == "activations":
        with read_activations(path) as activations:
            return dump_activations(activations)
    return dump_adapter(read_adapter(path, in_place=True))


def dump_activations(activations: Activations) -> dict[str, Any]:
    inputs = {}
    for name, matrix in activations.inputs.items():
        digest = hashlib.sha256()
        for rows in pieces(matrix):
            digest.update(rows.data)
        inputs[name] = {
            "dtype": matrix.dtype,
            "shape": list(matrix.shape),
            "sha256": digest.hexdigest(),
        }
    return {
        "kind": "activations",
        "inputs": inputs,
        "blocks": activations.blocks,
        "metadata": activations.metadata,
    }


def dump_adapter(adapter: Adapter) -> dict[str, Any]:
    records = [container.record_of(name, tensor) for name, tensor in adapter.tensors()]
    return {
        "kind": "adapter",
        "structure": adapter.structure,
        "root": adapter.root,
        "pre_num": adapter.pre_num,
        "base_model": adapter.base_model,
        "metadata": adapter.metadata,
        "blocks": [dump_block(block) for block in adapter.blocks],
        "identity": container.identity(records).hex(),
    }


def dump_block(block: Block) -> dict[str, Any]:
    base = None
    if block.base is not None:
        base = {"statistics": None, **describe_base(block.base)}
    return {
        "name": block.name,
        "scaling": float(block.scaling),
        "previous": block.previous,
        "pairs": len(block.pairs),
        "windows": dump_windows(block.windows),
        "base": base,
        "tensors": {name: dump_tensor(tensor) for name, tensor in block.factors()},
    }


def dump_windows(windows: NormWindows) -> dict[str, Any] | None:
    """Both lists and the capacity; null where there is no norm (Adapter §1.5)."""
    if not windows:
        return None
    return {**dump_lists(windows), "capacity": windows.capacity}


def dump_lists(windows: NormWindows) -> dict[str, Any]:
    return {
        "input": [float(v) for v in windows.input],
        "projection": [float(v) for v in windows.projection],
    }


def dump_tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "sha256": hashlib.sha256(tensor.raw()).hexdigest(),
    }
