"""The one exception of the package."""

from __future__ import annotations

import os


class FormatError(ValueError):
    """A file, or an object to be written, breaks a rule of the Spec.

    ``file`` is the path (or ``"adapter"`` for an object in memory), ``what`` is at fault,
    ``found`` and ``expected`` say how, and ``section`` is the rule, such as ``"Container §2.2"``, or
    None where no page has one.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        what: str,
        section: str | None = None,
        found: object = None,
        expected: object = None,
    ) -> None:
        self.file = os.fspath(file)
        self.what = what
        self.section = section
        self.found = found
        self.expected = expected
        details = [
            f"{label} {shown(value)}"
            for label, value in (("found", found), ("expected", expected))
            if value is not None
        ]
        text = f"{self.file}: {what}"
        if details:
            text += f" ({', '.join(details)})"
        if section is not None:
            text += f" [{section}]"
        super().__init__(one_line(text))


def shown(value: object) -> str:
    """A short text for a value of any kind."""
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 200 else text[:200] + "…"


def one_line(text: str) -> str:
    """The text with control characters and lone surrogates escaped."""
    return "".join(
        character
        if character.isprintable() or character == " "
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
