"""How the published code links blocks, from names and shapes (Merging §3.3)."""

from __future__ import annotations

from collections.abc import Sequence

_LLAMA = {
    "q": ["q_proj"], "k": ["k_proj"], "v": ["v_proj"], "o": ["o_proj"],
    "f": ["up_proj", "down_proj"], "g": ["gate_proj"],
}  # fmt: skip
_UNET = {"q": ["to_q"], "k": ["to_k"], "v": ["to_v"], "o": ["to_out"]}
_ROBERTA = {"q": ["query"], "k": ["key"], "v": ["value"], "o": ["out"]}
TABLES = (_LLAMA, _UNET, _ROBERTA)


def families(names: Sequence[str], target_modules: str) -> list[str]:
    """The family of each module (Merging §3.3 a)."""
    letters = target_modules.lower().split(".")
    for table in TABLES:
        keys = [key for letter in letters for key in table.get(letter, [])]
        found = [next((key for key in keys if key in name.lower()), None) for name in names]
        if keys and all(key is not None for key in found):
            return [key for key in found if key is not None]
    return [last_component(name) for name in names]


def last_component(name: str) -> str:
    """The last component that is not a decimal number."""
    components = [part for part in name.split(".") if not (part.isascii() and part.isdigit())]
    return components[-1] if components else ""


def previous_of(
    names: Sequence[str], shapes: Sequence[tuple[int, int]], target_modules: str = ""
) -> dict[str, str | None]:
    """The predecessor of each module (Merging §3.3 c); ``names`` are in module order.

    ``shapes`` are (in, out).
    """
    last: dict[str, int] = {}
    previous: dict[str, str | None] = {}
    for number, (name, family) in enumerate(zip(names, families(names, target_modules))):
        before = last.get(family)
        linked = before is not None and shapes[before] == shapes[number]
        previous[name] = names[before] if linked and before is not None else None
        last[family] = number
    return previous
