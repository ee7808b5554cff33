"""The JSON description of an adapter (Adapter §2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import jsontext
from .errors import FormatError
from .jsontext import Number
from .model import (
    DEFAULT_CAPACITY,
    ROOTS,
    STRUCTURES,
    Adapter,
    BaseWeight,
    Block,
    NormWindows,
    Pair,
    Statistics,
    factor_names,
    stacked_names,
)
from .tensor import Tensor

FORMAT = "reslora-adapter"
VERSION = 1
Notes = list[str]


# MARK: - Writing


def describe(adapter: Adapter) -> str:
    """The canonical text (Adapter §2.5). The adapter obeys Adapter §1."""
    value: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "structure": adapter.structure,
        "root": adapter.root,
        "pre_num": adapter.pre_num,
    }
    if adapter.base_model:
        value["base_model"] = adapter.base_model
    if adapter.metadata:
        value["metadata"] = by_bytes(adapter.metadata)
    value["blocks"] = [describe_block(block) for block in adapter.blocks]
    return jsontext.compact(value)


def by_bytes(members: dict[str, Any]) -> dict[str, Any]:
    """Sorted by the bytes of the key."""
    return dict(sorted(members.items(), key=lambda member: member[0].encode("utf-8")))


def describe_block(block: Block) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": block.name,
        "scaling": float(block.scaling),
        "previous": block.previous,
    }
    if len(block.pairs) > 1:
        value["pairs"] = len(block.pairs)
    if block.windows:
        value["windows"] = describe_windows(block.windows)
    if block.base is not None:
        value["base"] = describe_base(block.base)
    return value


def describe_windows(windows: NormWindows) -> dict[str, Any]:
    """What a list or a capacity does not say when it is left out (Adapter §2.5)."""
    lists = (("input", windows.input), ("projection", windows.projection))
    value: dict[str, Any] = {kind: [float(v) for v in vs] for kind, vs in lists if vs}
    if windows.capacity != DEFAULT_CAPACITY:
        value["capacity"] = windows.capacity
    return value


def describe_base(base: BaseWeight) -> dict[str, Any]:
    value: dict[str, Any] = {
        "tensor": base.tensor,
        "dtype": base.dtype,
        "shape": list(base.shape),
        "sha256": base.sha256,
    }
    if base.statistics is not None:
        cross = {name: float(value) for name, value in base.statistics.cross.items()}
        value["statistics"] = {
            "squared_norm": float(base.statistics.squared_norm),
            "cross": by_bytes(cross),
        }
    return value


# MARK: - Reading


class Fields:
    """The members of an object, taken one by one by type; what remains is unknown."""

    def __init__(self, value: Any, where: str, file: str, section: str) -> None:
        self.where = where
        self.file = file
        self.section = section
        if not isinstance(value, dict):
            raise FormatError(file, where, section, kind(value), "an object")
        self.rest = dict(value)

    def fail(self, key: str, found: object, expected: object) -> FormatError:
        return FormatError(self.file, f"{self.where}: {key}", self.section, found, expected)

    def take(self, key: str, convert: Callable[[Any], Any], expected: str) -> Any:
        """The converted value; None if the key is absent."""
        if key not in self.rest:
            return None
        value = self.rest.pop(key)
        converted = convert(value)
        if converted is None:
            raise self.fail(key, kind(value), expected)
        return converted

    def need(self, key: str, convert: Callable[[Any], Any], expected: str) -> Any:
        if key not in self.rest:
            raise self.fail(key, "absent", expected)
        return self.take(key, convert, expected)

    def report(self, notes: Notes) -> None:
        notes.extend(f"{self.where}: unknown key '{key}'" for key in self.rest)


def kind(value: Any) -> str:
    """What a value is, for an error."""
    if isinstance(value, (str, Number)):
        return str(value) if isinstance(value, Number) else jsontext.quoted(value)
    if value is None or isinstance(value, bool):
        return jsontext.compact(value)
    return "an object" if isinstance(value, dict) else "an array"


def text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def integer(value: Any) -> int | None:
    return value.integer() if isinstance(value, Number) else None


def real(value: Any) -> float | None:
    return value.float() if isinstance(value, Number) else None


def array_of(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any] | None]:
    def all_of(value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            return None
        items = [convert(item) for item in value]
        return None if any(item is None for item in items) else items

    return all_of


def object_of(convert: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any] | None]:
    def all_of(value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            return None
        items = {key: convert(item) for key, item in value.items()}
        return None if any(item is None for item in items.values()) else items

    return all_of


class Description:
    """A parsed description: an adapter whose tensors are still to be found."""

    def __init__(self, content: bytes | str, file: str, notes: Notes) -> None:
        fields = Fields(
            jsontext.parse(content, file, "description"), "description", file, "Adapter §2.1"
        )
        name = fields.need("format", text, f'"{FORMAT}"')
        if name != FORMAT:
            raise fields.fail("format", jsontext.quoted(name), f'"{FORMAT}"')
        version = fields.need("version", integer, "1")
        if version != VERSION:
            raise FormatError(file, "description: version", "Versions §2", version, VERSION)
        self.structure = fields.need("structure", text, " or ".join(STRUCTURES))
        root = fields.take("root", text, " or ".join(ROOTS))
        self.root = "self" if root is None else root
        pre_num = fields.take("pre_num", integer, "an integer from -1 on")
        self.pre_num = -1 if pre_num is None else pre_num
        self.base_model = fields.take("base_model", text, "a string") or None
        self.metadata = fields.take("metadata", object_of(text), "an object of strings") or {}
        self.blocks = []
        for number, value in enumerate(fields.need("blocks", array_of(same), "an array")):
            self.blocks.append(self.block(value, f"block {number}", file, notes))
        fields.report(notes)
        self.file = file

    @staticmethod
    def block(value: Any, where: str, file: str, notes: Notes) -> tuple[Block, int]:
        fields = Fields(value, where, file, "Adapter §2.2")
        name = fields.need("name", text, "a string")
        fields.where = f"block '{name}'"
        scaling = fields.need("scaling", real, "a finite number")
        if fields.rest.get("previous", "") is None:
            del fields.rest["previous"]
        previous = fields.take("previous", text, "a string or null")
        pairs = fields.take("pairs", integer, "an integer from 1 on")
        pairs = 1 if pairs is None else pairs
        if pairs < 1:
            raise fields.fail("pairs", pairs, "an integer from 1 on")
        block = Block(name, scaling, [], previous)
        if "windows" in fields.rest:
            block.windows = windows(
                fields.rest.pop("windows"), f"block '{name}': windows", file, "Adapter §2.2", notes
            )
        if "base" in fields.rest:
            block.base = base(fields.rest.pop("base"), f"block '{name}': base", file, notes)
        fields.report(notes)
        return block, pairs

    def tensor_names(self) -> Iterator[str]:
        """The names of Adapter §2.3 in the order of the description.

        One by one: a description may claim any number of pairs.
        """
        for block, pairs in self.blocks:
            for factor in factor_names(1) if pairs == 1 else stacked_names(pairs):
                yield f"{block.name}.{factor}"

    def adapter(self, tensors: dict[str, Tensor], section: str) -> Adapter:
        """The adapter with these tensors, which must be exactly those of Adapter §2.3."""
        names = set()
        for name in self.tensor_names():
            if name not in tensors:
                raise FormatError(self.file, f"tensor '{name}'", section, "absent", "present")
            if name in names:
                raise FormatError(self.file, f"tensor '{name}'", section, "named twice", "once")
            names.add(name)
        if len(names) != len(tensors):
            extra = min(tensors.keys() - names)
            raise FormatError(
                self.file, f"tensor '{extra}'", section, "a tensor of no block", "none"
            )
        for block, pairs in self.blocks:
            own = [tensors[f"{block.name}.{factor}"] for factor in factor_names(pairs)]
            block.pairs = [Pair(*own[at : at + 2]) for at in range(0, len(own), 2)]
        return Adapter(
            structure=self.structure,
            blocks=[block for block, _ in self.blocks],
            root=self.root,
            pre_num=self.pre_num,
            base_model=self.base_model,
            metadata=self.metadata,
        )


def same(value: Any) -> Any:
    """Anything but None, for checks that come later."""
    return Ellipsis if value is None else value


def windows(value: Any, where: str, file: str, section: str, notes: Notes) -> NormWindows:
    """The windows of a block (Adapter §2.2)."""
    fields = Fields(value, where, file, section)
    numbers = "an array of finite numbers"
    result = NormWindows(
        fields.take("input", array_of(real), numbers) or [],
        fields.take("projection", array_of(real), numbers) or [],
    )
    capacity = fields.take("capacity", integer, "an integer from 1 on")
    result.capacity = DEFAULT_CAPACITY if capacity is None else capacity
    fields.report(notes)
    return result


def base(value: Any, where: str, file: str, notes: Notes) -> BaseWeight:
    """What is known of a base weight (Adapter §2.2)."""
    fields = Fields(value, where, file, "Adapter §2.2")
    result = BaseWeight(
        tensor=fields.need("tensor", text, "a string"),
        dtype=fields.need("dtype", text, "a string"),
        shape=tuple(fields.need("shape", array_of(integer), "an array of integers")),
        sha256=fields.need("sha256", text, "a string"),
    )
    if "statistics" in fields.rest:
        inner = Fields(
            fields.rest.pop("statistics"), f"{where}: statistics", file, "Adapter §2.2"
        )
        result.statistics = Statistics(
            inner.need("squared_norm", real, "a finite number"),
            inner.need("cross", object_of(real), "an object of finite numbers"),
        )
        inner.report(notes)
    fields.report(notes)
    return result
