"""Captured inputs: made up, cut from real ones, written and read."""

import json

from .merges import product
from .replay import Activations
from .safetensors_io import Tensor, read_metadata, read_safetensors, write_safetensors


def model(adapter, inputs, source):
    """How each input comes about: the sizes of its features, the input before it, J."""
    steps, maps = {}, {}
    for block in adapter.from_roots():
        name, features = inputs[block.name], block.a.shape[1]
        if name not in steps:
            if features not in maps:
                maps[features] = source.uniform((features, features), -0.3, 0.3)
            before = block.previous and inputs[block.previous]
            steps[name] = (source.uniform(features, 0.2, 2), before, maps[features])
    return steps


def make(steps, tokens, source, dtype):
    """Inputs in which each block's resembles its predecessor's, as in a residual stream.

    x = 0.7 x_before + x_before J + noise; the last token is zero everywhere.
    """
    tensors = {}
    for name, (sizes, before, j) in steps.items():
        values = sizes * source.uniform((tokens, len(sizes)), -1, 1)
        if before is not None:
            known = tensors[before].values()
            values = 0.7 * known + product(known, j) + 0.25 * values
        values[-1] = 0
        tensors[name] = Tensor.of(values, dtype)
    return tensors


def activations(inputs, tensors):
    return Activations(inputs, {name: tensor.values() for name, tensor in tensors.items()})


def read(path):
    inputs = json.loads(read_metadata(path)["inputs"])
    return activations(inputs, read_safetensors(path))


def write(path, inputs, tensors):
    write_safetensors(path, tensors, {"inputs": json.dumps(inputs, separators=(",", ":"))})


def first(path, tokens, target):
    """Copy the first tokens of a file."""
    inputs = json.loads(read_metadata(path)["inputs"])
    tensors = {}
    for name, tensor in read_safetensors(path).items():
        size = len(tensor.data) // tensor.shape[0] * tokens
        tensors[name] = Tensor(tensor.dtype, (tokens, tensor.shape[1]), tensor.data[:size])
    write(target, inputs, tensors)
