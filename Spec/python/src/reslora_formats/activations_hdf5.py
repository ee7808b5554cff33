"""Activations in HDF5 (Activations §3)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import h5py
import numpy as np

from . import adapter_hdf5
from . import hdf5_types as hdf5
from .activations import FORMAT, Activations, Matrix, pieces
from .errors import FormatError
from .files import Path, atomic_output
from .hdf5_types import Attributes

SECTION = "Activations §3"


@dataclass
class DatasetMatrix:
    """A matrix that is read row by row from an open file."""

    dataset: h5py.Dataset
    dtype: str

    @property
    def shape(self) -> tuple[int, int]:
        return self.dataset.shape

    def rows(self, start: int, stop: int) -> np.ndarray:
        return hdf5.read_rows(self.dataset, self.dtype, start, stop)


def open_hdf5(path: Path, notes: list[str]) -> Activations:
    """Keeps the file open until ``close()``."""
    name = str(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(hdf5.reading(path))
        attributes = adapter_hdf5.header(file, name, FORMAT)
        adapter_hdf5.unknown(attributes, "format version", "/", notes)
        for part in ("inputs", "blocks"):
            if part not in file or not isinstance(file[part], h5py.Group):
                raise FormatError(name, f"/{part}", SECTION, "no group", "a group")
        inputs: dict[str, Matrix] = {}
        for link, kind in hdf5.members(file["inputs"], name):
            input = hdf5.name_of_link(link, name)
            if kind != "dataset" or input in inputs:
                raise FormatError(name, f"input '{input}'", SECTION, f"a {kind}", "one dataset")
            dataset = hdf5.child(file["inputs"], link)
            dtype = hdf5.check_dataset(dataset, 2, f"input '{input}'", name)
            inputs[input] = DatasetMatrix(dataset, dtype)
        blocks = {}
        for block, group in adapter_hdf5.block_groups(file["blocks"], name).items():
            values = Attributes(group, f"block '{block}'", name)
            input_name = values.string("input")
            if input_name is None:
                raise FormatError(
                    name, f"block '{block}': attribute input", SECTION, "absent", "present"
                )
            blocks[block] = input_name
        metadata = hdf5.read_metadata(file, name)
        return Activations(inputs, blocks, metadata, name, stack.pop_all())


def write_hdf5(activations: Activations, path: Path) -> None:
    with atomic_output(path) as temporary, hdf5.writing(temporary) as file:
        hdf5.write_string(file, "format", FORMAT)
        hdf5.write_integer(file, "version", 1)
        hdf5.write_metadata(file, activations.metadata)
        inputs = hdf5.create_group(file, "inputs")
        for name, matrix in activations.inputs.items():
            dataset = hdf5.create_dataset(
                inputs, hdf5.link_name(name), matrix.dtype, matrix.shape
            )
            start = 0
            # A piece has the rows of a chunk, so that each chunk is compressed once.
            for rows in pieces(matrix, hdf5.CHUNK_BYTES):
                hdf5.write_rows(dataset, matrix.dtype, start, rows)
                start += len(rows)
        blocks = hdf5.create_group(file, "blocks")
        for block, name in activations.blocks.items():
            hdf5.write_string(
                hdf5.create_group(blocks, hdf5.link_name(block)), "input", name
            )
