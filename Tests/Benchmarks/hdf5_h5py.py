"""What `benchmarks hdf5` has h5py do.

hdf5_h5py.py read FILE ROUNDS: reads all of /inputs in pieces of 512 rows, as a program does that
can't hold everything, and prints the seconds of the best round.

hdf5_h5py.py decompress FILE OUT: copies /inputs, neither compressed nor chunked.
"""
import sys
import time

import h5py


def read(path, rounds):
    best = float("inf")
    for _ in range(int(rounds)):
        start = time.perf_counter()
        with h5py.File(path, "r") as file:
            for dataset in file["inputs"].values():
                for row in range(0, dataset.shape[0], 512):
                    dataset[row : row + 512]
        best = min(best, time.perf_counter() - start)
    print(best)


def decompress(path, out):
    with h5py.File(path, "r") as file, h5py.File(out, "w") as copy:
        for name, dataset in file["inputs"].items():
            copy[f"inputs/{name}"] = dataset[()]


if __name__ == "__main__":
    {"read": read, "decompress": decompress}[sys.argv[1]](*sys.argv[2:])
