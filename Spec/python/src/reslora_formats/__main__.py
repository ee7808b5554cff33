"""``python -m reslora_formats``: dump, convert, make-sample, batch.

Exit status: 0 done, 1 a file that breaks a rule or cannot be read or written, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from . import jsontext
from .activations import read_activations, write_activations
from .adapters import LAYOUTS, read_adapter, write_adapter
from .container_writer import CHOICES
from .dump import dump, kind_of
from .errors import FormatError, one_line
from .files import layout_of_name
from .model import STRUCTURES
from .sample import make_activations, make_sample, make_windows
from .tensor import STORAGE
from .windows import read_windows, write_windows


class Parser(argparse.ArgumentParser):
    """Errors of usage in one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"error: {one_line(message)}; see --help", file=sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="reslora_formats", description="Files of ResLoRA adapters.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)

    command = commands.add_parser("dump", help="print what a file holds as canonical JSON")
    command.add_argument("paths", nargs="+", metavar="path")
    command.add_argument("--compact", action="store_true", help="one line for each file")

    command = commands.add_parser("convert", help="write IN in the layout of OUT's name")
    command.add_argument("input")
    command.add_argument("output")
    command.add_argument("--compression", choices=CHOICES, default="auto", help="of a .reslora")

    command = commands.add_parser("make-sample", help="write a small seeded file")
    command.add_argument("output")
    command.add_argument(
        "--kind", choices=("adapter", "windows", "activations"), default="adapter",
        help="the other options but --seed, --dtype and --non-ascii-names are for adapters",
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--structure", choices=STRUCTURES, default="is")
    command.add_argument("--dtype", choices=[*STORAGE, "mixed"], default="F32")
    command.add_argument("--pairs", type=int, default=1)
    command.add_argument("--compression", choices=CHOICES, default="auto", help="of a .reslora")
    for flag in ("windows", "base", "metadata", "non-ascii-names"):
        command.add_argument(f"--{flag}", action="store_true")

    for command in (commands.choices["convert"], commands.choices["make-sample"]):
        command.add_argument("--force", action="store_true", help="replace an output that exists")

    commands.add_parser(
        "batch",
        help="run commands in one process: standard input has the arguments of one on each line, "
        "as a JSON array; the first that fails ends it",
    )
    return top


def run(arguments: argparse.Namespace) -> None:
    if arguments.command == "dump":
        for path in arguments.paths:
            content = jsontext.sorted_members(dump(path))
            text = jsontext.compact(content) if arguments.compact else jsontext.indented(content)
            sys.stdout.write(text + "\n")
        sys.stdout.flush()
    elif arguments.command == "convert":
        notes: list[str] = []
        convert(arguments.input, arguments.output, arguments.compression, notes)
        for note in notes:
            print(f"warning: {one_line(note)}", file=sys.stderr)
    elif arguments.kind == "windows":
        windows = make_windows(arguments.seed, non_ascii_names=arguments.non_ascii_names)
        write_windows(windows, arguments.output)
    elif arguments.kind == "activations":
        sample = make_activations(
            arguments.seed, dtype=arguments.dtype, non_ascii_names=arguments.non_ascii_names
        )
        write_activations(arguments.output, sample.inputs, sample.blocks, sample.metadata)
    else:
        adapter = make_sample(
            arguments.structure,
            seed=arguments.seed,
            dtype=arguments.dtype,
            pairs=arguments.pairs,
            windows=arguments.windows,
            base=arguments.base,
            metadata=arguments.metadata,
            non_ascii_names=arguments.non_ascii_names,
        )
        write_adapter(adapter, arguments.output, compression=arguments.compression)


def fault_of_output(arguments: argparse.Namespace) -> str | None:
    """Why the output cannot be written there, or None (Command line §1)."""
    output = arguments.output
    try:
        layout_of_name(output, (*LAYOUTS, "json"))
    except FormatError as error:
        return str(error)
    source = getattr(arguments, "input", None)
    if source and os.path.exists(source) and os.path.exists(output):
        if os.path.samefile(source, output):
            return f"{output}: is the input"
    if os.path.lexists(output) and not arguments.force:
        return f"{output}: exists, and is replaced only with --force"
    return None


def convert(source: str, output: str, compression: str, notes: list[str]) -> None:
    """An adapter, windows or activations, whichever the source holds."""
    kind = kind_of(source)
    if kind == "windows":
        write_windows(read_windows(source, notes=notes), output)
    elif kind == "activations":
        with read_activations(source, notes=notes) as activations:
            write_activations(
                output, activations.inputs, activations.blocks, activations.metadata
            )
    else:
        write_adapter(read_adapter(source, notes=notes), output, compression=compression)


def main(argv: list[str] | None = None) -> int:
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command == "batch":
        return batch(top)
    if arguments.command != "dump":
        fault = fault_of_output(arguments)
        if fault is not None:
            top.error(fault)
    if arguments.command == "make-sample" and not (
        1 <= arguments.pairs <= 100 and arguments.seed >= 0
    ):
        top.error("--pairs is 1 to 100, --seed at least 0")
    try:
        run(arguments)
    except FormatError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        named = error.filename is not None
        text = f"{error.filename}: {error.strerror}" if named else str(error)
        print(f"error: {one_line(text)}", file=sys.stderr)
        return 1
    return 0


def batch(top: Parser) -> int:
    """Runs the commands of standard input until one fails."""
    for line in sys.stdin.buffer:
        try:
            command = json.loads(line)
        except ValueError:
            command = None
        if not (isinstance(command, list) and all(isinstance(word, str) for word in command)):
            top.error("a line of standard input is no JSON array of strings")
        if command[:1] == ["batch"]:
            top.error("batch runs no batch")
        status = main(command)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main())
