"""Writes the tensors of a raw file with h5py (byte shuffle and gzip 4) and prints size and speed.

Called by `benchmarks container`: container_h5py.py TENSORS.json TENSORS.bin OUT.h5 ROUNDS. The JSON
file lists name, element width, shape and offset of each tensor; 2-byte elements are bfloat16, which
numpy lacks and which are written as integers.
"""
import json
import os
import sys
import time

import h5py
import numpy as np


def main(listing, raw, out, rounds):
    with open(raw, "rb") as file:
        content = file.read()
    tensors = []
    for name, width, shape, offset in json.load(open(listing)):
        dtype = {2: "<u2", 4: "<f4"}[width]
        count = int(np.prod(shape))
        tensors.append((name, np.frombuffer(content, dtype, count, offset).reshape(shape)))
    best_write = best_read = float("inf")
    for _ in range(rounds):
        if os.path.exists(out):
            os.remove(out)
        start = time.perf_counter()
        with h5py.File(out, "w") as file:
            for name, values in tensors:
                file.create_dataset(
                    name, data=values, chunks=values.shape, shuffle=True, compression="gzip",
                    compression_opts=4)
        best_write = min(best_write, time.perf_counter() - start)
        start = time.perf_counter()
        with h5py.File(out, "r") as file:
            for name, _ in tensors:
                file[name][()]
        best_read = min(best_read, time.perf_counter() - start)
    print(os.path.getsize(out), best_write, best_read)
    os.remove(out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
