"""The rules an adapter obeys in any format (Adapter §1, Merging §3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from .errors import FormatError
from .model import ROOTS, STRUCTURES, Adapter, BaseWeight, Block, NormWindows

#: Names of dtypes that a base weight may state (Adapter in safetensors §3).
SAFETENSORS_DTYPES = (
    "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ "
    "I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64"
).split()

MAX_ELEMENTS = 2**28
MAX_METADATA = 16 * 2**20
MAX_PAIRS = 65_536
MAX_NORMS = 1_048_576
MAX_NAME = 4096
#: What fits an attribute of HDF5.
MAX_BASE_MODEL = 60_000
MAX_INTEGER = 2**63 - 1

Links = Callable[[Block], Iterable[Block]]


def check_adapter(adapter: Adapter, file: str) -> None:
    """Checks all of Adapter §1 and Merging §3.2; raises FormatError for the first fault."""
    if adapter.structure not in STRUCTURES:
        raise FormatError(
            file, "structure", "Adapter §2.1", adapter.structure, " or ".join(STRUCTURES)
        )
    if adapter.root not in ROOTS:
        raise FormatError(file, "root", "Adapter §2.1", adapter.root, " or ".join(ROOTS))
    if type(adapter.pre_num) is not int or not -1 <= adapter.pre_num <= MAX_INTEGER:
        raise FormatError(
            file, "pre_num", "Adapter §2.1", adapter.pre_num, "an integer from -1 on"
        )
    if adapter.base_model is not None:
        check_text(adapter.base_model, "base_model", file, "Adapter §2.1")
        length = len(adapter.base_model.encode("utf-8"))
        if length > MAX_BASE_MODEL:
            raise FormatError(
                file, "base_model", "Adapter §2.1", f"{length} bytes",
                f"at most {MAX_BASE_MODEL} bytes",
            )
    check_metadata(adapter.metadata, file)
    if not adapter.blocks:
        raise FormatError(file, "blocks", "Adapter §1.1", "none", "at least one block")
    by_name: dict[str, Block] = {}
    for block in adapter.blocks:
        check_name(block.name, "name of a block", file)
        if block.name in by_name:
            raise FormatError(
                file, f"block '{block.name}'", "Adapter §1.2", "two blocks of that name", "one"
            )
        by_name[block.name] = block
    for block in adapter.blocks:
        check_block(block, file)
    check_links(adapter, by_name, file)
    for block in adapter.blocks:
        if block.base is not None:
            check_base(block.base, block, by_name, file)


def check_text(text: object, what: str, file: str, section: str) -> None:
    """A string of UTF-8 without U+0000."""
    if not isinstance(text, str):
        raise FormatError(file, what, section, type(text).__name__, "a string")
    if "\0" in text:
        raise FormatError(file, what, section, "U+0000", "text without it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError(file, what, section, "a lone surrogate", "Unicode text") from None


def check_name(name: object, what: str, file: str, section: str = "Adapter §1.2") -> None:
    """1 to 4,096 bytes of UTF-8 without U+0000 (Adapter §1.2)."""
    check_text(name, what, file, section)
    length = len(str(name).encode("utf-8"))
    if not 1 <= length <= MAX_NAME:
        raise FormatError(
            file, what, section, f"{length} bytes", f"1 to {MAX_NAME} bytes"
        )


def check_metadata(metadata: dict[str, str], file: str) -> None:
    """Pairs of strings, at most 16 MiB together (Adapter §1.7)."""
    total = 0
    for key, value in metadata.items():
        check_name(key, "key of the metadata", file, "Adapter §1.7")
        check_text(value, f"metadata '{key}'", file, "Adapter §1.7")
        total += len(key.encode("utf-8")) + len(value.encode("utf-8"))
    if total > MAX_METADATA:
        raise FormatError(
            file, "metadata", "Adapter §1.7", f"{total} bytes", f"at most {MAX_METADATA} bytes"
        )


def check_block(block: Block, file: str) -> None:
    """Factors and scaling (Adapter §1.3), windows (§1.5)."""
    what = f"block '{block.name}'"
    if not isinstance(block.scaling, (int, float)) or not math.isfinite(block.scaling):
        raise FormatError(file, f"{what}: scaling", "Adapter §1.3", block.scaling, "finite")
    if not 1 <= len(block.pairs) <= MAX_PAIRS:
        raise FormatError(
            file, f"{what}: pairs", "Adapter §1.3", len(block.pairs), f"1 to {MAX_PAIRS}"
        )
    elements = 0
    first = block.pairs[0]
    for (name, factor), (_, like) in zip(
        block.factors(), [("", first.lora_A), ("", first.lora_B)] * len(block.pairs)
    ):
        if len(factor.shape) != 2 or 0 in factor.shape:
            raise FormatError(
                file, f"tensor '{block.name}.{name}'", "Adapter §1.3",
                f"shape {list(factor.shape)}", "two extents, none 0",
            )
        axis = 1 if name.startswith("lora_A") else 0
        if factor.shape[axis] != like.shape[axis]:
            raise FormatError(
                file, f"tensor '{block.name}.{name}'", "Adapter §1.3",
                f"{'in' if axis else 'out'} {factor.shape[axis]}", like.shape[axis],
            )
        elements += math.prod(factor.shape)
    for number, pair in enumerate(block.pairs):
        if pair.lora_A.shape[0] != pair.lora_B.shape[1]:
            raise FormatError(
                file, f"{what}: rank of pair {number}", "Adapter §1.3",
                f"B of rank {pair.lora_B.shape[1]}", f"that of A, {pair.lora_A.shape[0]}",
            )
    if elements >= MAX_ELEMENTS:
        raise FormatError(
            file, f"{what}: factors", "Adapter §1.3",
            f"{elements} elements", f"fewer than {MAX_ELEMENTS}",
        )
    check_windows(block.windows, what, file)


def check_windows(
    windows: NormWindows, what: str, file: str, section: str = "Adapter §1.5"
) -> None:
    """Finite numbers ≥ 0, neither list longer than the capacity (Adapter §1.5)."""
    if type(windows.capacity) is not int or not 1 <= windows.capacity <= MAX_INTEGER:
        raise FormatError(
            file, f"{what}: capacity", section, windows.capacity, "an integer from 1 on"
        )
    for kind, values in (("input", windows.input), ("projection", windows.projection)):
        most = min(windows.capacity, MAX_NORMS)
        if len(values) > most:
            raise FormatError(
                file, f"{what}: window '{kind}'", section, f"{len(values)} norms", f"at most {most}"
            )
        for value in values:
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
                raise FormatError(
                    file, f"{what}: window '{kind}'", section, value, "a finite number ≥ 0"
                )


def check_base(base: BaseWeight, block: Block, by_name: dict[str, Block], file: str) -> None:
    """The base weight and its statistics (Adapter §1.6)."""
    what = f"block '{block.name}': base"
    section = "Adapter §1.6"
    check_name(base.tensor, f"{what}: tensor", file)
    if base.dtype not in SAFETENSORS_DTYPES:
        raise FormatError(file, f"{what}: dtype", section, base.dtype, "a safetensors dtype")
    for extent in base.shape:
        if type(extent) is not int or not 0 <= extent <= MAX_INTEGER:
            raise FormatError(file, f"{what}: shape", section, extent, "an integer ≥ 0")
    check_text(base.sha256, f"{what}: sha256", file, section)
    if len(base.sha256) != 64 or set(base.sha256) - set("0123456789abcdef"):
        raise FormatError(
            file, f"{what}: sha256", section, base.sha256, "64 lower-case hexadecimal digits"
        )
    statistics = base.statistics
    if statistics is None:
        return
    shape = (block.out_features, block.in_features)
    if tuple(base.shape) != shape:
        raise FormatError(
            file, f"{what}: shape", section, list(base.shape),
            f"{list(shape)}, where there are statistics",
        )
    norm = statistics.squared_norm
    if not math.isfinite(norm) or norm < 0:
        raise FormatError(
            file, f"{what}: squared_norm", section, norm, "a finite number ≥ 0"
        )
    missing = set(statistics.cross) - {block.name}
    for ancestor in ancestors(block, by_name) if missing else ():
        missing.discard(ancestor.name)
        if not missing:
            break
    for name, value in statistics.cross.items():
        check_name(name, f"{what}: name in cross", file)
        if name in missing:
            raise FormatError(
                file, f"{what}: cross", section, f"'{name}'", "the block or a predecessor"
            )
        if not math.isfinite(value):
            raise FormatError(file, f"{what}: cross of '{name}'", section, value, "finite")


def ancestors(block: Block, by_name: dict[str, Block]) -> Iterable[Block]:
    """The predecessors from the next on; stops at a cycle or at a name that is no block."""
    seen = {block.name}
    current = block
    while current.previous is not None and current.previous in by_name:
        if current.previous in seen:
            return
        current = by_name[current.previous]
        seen.add(current.name)
        yield current


def check_links(adapter: Adapter, by_name: dict[str, Block], file: str) -> None:
    """Adapter §1.4, Merging §3.2.

    What must agree between a block and several predecessors agrees if it does along each link.
    """
    for block in adapter.blocks:
        if block.previous is not None and block.previous not in by_name:
            raise FormatError(
                file, f"block '{block.name}': previous", "Adapter §1.4",
                f"'{block.previous}'", "a block of the adapter",
            )
    if adapter.structure == "plain":
        return
    check_cycles(adapter, by_name, file)
    if adapter.structure == "ms" and adapter.pre_num == 0:
        return
    for block in adapter.blocks:
        if block.previous is not None:
            check_link(adapter.structure, block, by_name[block.previous], file)


def check_link(structure: str, block: Block, other: Block, file: str) -> None:
    """What must agree along the link from a block to its predecessor (Merging §3.2, §2.7)."""
    ranks, others = ([pair.rank for pair in b.pairs] for b in (block, other))
    faults: list[tuple[str, object, object, str]] = [
        ("in features", block.in_features, other.in_features, "Merging §3.2"),
    ]
    if structure == "bs":
        faults.append(("out features", block.out_features, other.out_features, "Merging §3.2"))
    if structure == "ms":
        faults.append(("rank", sum(ranks), sum(others), "Merging §3.2"))
        faults.append(("ranks of the pairs", ranks, others, "Merging §2.7"))
    for what, found, expected, section in faults:
        if found != expected:
            raise FormatError(
                file, f"block '{block.name}': {what}", section,
                found, f"{expected} as its predecessor '{other.name}'",
            )


def check_cycles(adapter: Adapter, by_name: dict[str, Block], file: str) -> None:
    """No block is among its own predecessors; linear in the number of blocks."""
    done: set[str] = set()
    for block in adapter.blocks:
        path: dict[str, None] = {}
        current: Block | None = block
        while current is not None and current.name not in done:
            if current.name in path:
                raise FormatError(
                    file, f"block '{current.name}': previous", "Merging §3.2",
                    "a cycle of predecessors", "a chain that ends at a root",
                )
            path[current.name] = None
            current = by_name[current.previous] if current.previous is not None else None
        done.update(path)
