"""Strict JSON in (Adapter §2.1), canonical JSON out (Adapter §2.4, §2.5)."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .errors import FormatError

MAX_DEPTH = 16
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\Z")


class Number:
    """A number as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def integer(self) -> int | None:
        """The value if it is written as an integer and fits 64 bits with sign."""
        if not _INTEGER.match(self.text):
            return None
        value = int(self.text)
        return value if -(2**63) <= value < 2**63 else None

    def float(self) -> float | None:
        """The nearest float64, or None beyond its range (Adapter §2.4)."""
        value = float(self.text)
        return value if math.isfinite(value) else None


def parse(text: bytes | str, file: str, what: str, section: str = "Adapter §2.1") -> Any:
    """The value of a JSON text; numbers as ``Number``.

    Refused: a byte order mark, bytes that are not UTF-8, lone surrogates, duplicate keys, more
    than 16 levels, NaN and infinities, anything after the value.
    """

    def fail(found: object, expected: object) -> FormatError:
        return FormatError(file, what, section, found, expected)

    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise fail(f"bytes that are not UTF-8 at {error.start}", "UTF-8") from None
    if text.startswith("\ufeff"):
        raise fail("a byte order mark", "JSON")
    if depth(text) > MAX_DEPTH:
        raise fail(f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise fail(f"the key {quoted(key)} twice", "no duplicate keys")
            result[key] = value
        return result

    def constant(name: str) -> Any:
        raise fail(name, "JSON")

    try:
        value = json.loads(
            text,
            object_pairs_hook=members,
            parse_int=Number,
            parse_float=Number,
            parse_constant=constant,
        )
    except json.JSONDecodeError as error:
        raise fail(f"{error.msg} at character {error.pos}", "JSON") from None
    if "\\u" in text and has_surrogates(value):
        raise fail("an escaped lone surrogate", "Unicode text")
    return value


def depth(text: str) -> int:
    """The largest nesting of arrays and objects."""
    level = deepest = 0
    for match in _STRUCTURE.finditer(text):
        first = match.group()[0]
        if first in "[{":
            level += 1
            deepest = max(deepest, level)
        elif first in "]}":
            level -= 1
    return deepest


def has_surrogates(value: Any) -> bool:
    """Whether a string anywhere in the value cannot be UTF-8."""
    if isinstance(value, str):
        return any(0xD800 <= ord(character) < 0xE000 for character in value)
    if isinstance(value, dict):
        return any(has_surrogates(key) or has_surrogates(item) for key, item in value.items())
    if isinstance(value, list):
        return any(has_surrogates(item) for item in value)
    return False


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def quoted(text: str) -> str:
    """A JSON string; only ``"``, ``\\`` and characters below U+0020 escaped (Adapter §2.5)."""
    return '"' + _ESCAPED.sub(lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04x}", text) + '"'


def number(value: float) -> str:
    """The shortest decimal text that reads back as the same float64 (Adapter §2.4).

    Digits are laid out as ECMAScript and RFC 8785 do (no fraction for whole numbers, exponents
    from 1e21 on and below 1e-6), and the zero with sign is ``-0``.
    """
    if not math.isfinite(value):
        raise ValueError("a JSON number is finite")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa, _, exponent = f"{float(value)!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)  # the value is 0.WHOLEFRACTION · 10**point
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


def compact(value: Any) -> str:
    """Canonical compact text; keys in their order. Floats by ``number``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(k)}:{compact(v)}" for k, v in value.items()) + "}"
    return "[" + ",".join(compact(item) for item in value) + "]"


def sorted_members(value: Any) -> Any:
    """The value with the keys of all objects sorted by their bytes."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-8"))
        return {key: sorted_members(item) for key, item in members}
    if isinstance(value, (list, tuple)):
        return [sorted_members(item) for item in value]
    return value


def indented(value: Any, margin: str = "") -> str:
    """As ``compact``, keys sorted by their bytes, one member a line; arrays of scalars on one."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-8"))
        lines = [f"{inner}{quoted(key)}: {indented(item, inner)}" for key, item in members]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, (dict, list, tuple)) for v in value):
        return "[\n" + ",\n".join(inner + indented(v, inner) for v in value) + f"\n{margin}]"
    return compact(value)
