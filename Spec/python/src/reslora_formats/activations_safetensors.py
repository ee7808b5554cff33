"""Activations in safetensors (Activations §2)."""

from __future__ import annotations

from collections.abc import Iterator

from . import jsontext
from .activations import Activations, Matrix, TensorMatrix, pieces, require_metadata_fits
from .errors import FormatError
from .files import Path, write_whole
from .safetensors_file import SafetensorsFile, header

SECTION = "Activations §2"
KEY = "inputs"


def open_safetensors(path: Path) -> Activations:
    """Matrices are views of the mapped file."""
    file = SafetensorsFile(path, SECTION)
    text = file.metadata.pop(KEY, None)
    if text is None:
        raise FormatError(path, f"__metadata__: {KEY}", SECTION, "absent", "an object as text")
    blocks = jsontext.parse(text, file.file, f"__metadata__: {KEY}", SECTION)
    if not isinstance(blocks, dict) or not all(isinstance(v, str) for v in blocks.values()):
        raise FormatError(path, f"__metadata__: {KEY}", SECTION, "another value", "block → tensor")
    inputs: dict[str, Matrix] = {
        name: TensorMatrix(file.tensor(name, in_place=True)) for name in file.entries
    }
    return Activations(inputs, blocks, file.metadata, file.file)


def write_safetensors(activations: Activations, path: Path) -> None:
    require_metadata_fits(activations, KEY)
    start, order = header(
        {name: (matrix.dtype, matrix.shape) for name, matrix in activations.inputs.items()},
        {KEY: jsontext.compact(activations.blocks), **activations.metadata},
    )

    def content() -> Iterator[bytes | memoryview]:
        yield start
        for name in order:
            for rows in pieces(activations.inputs[name]):
                yield rows.reshape(-1).data.cast("B")

    write_whole(path, content())
