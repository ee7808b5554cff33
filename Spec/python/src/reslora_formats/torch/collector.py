"""Hooks that collect norm windows (Merging §3.5) and activations (Activations §1)."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from ..activations import LAYOUTS as ACTIVATIONS
from ..activations import write_activations
from ..adapters import LAYOUTS as ADAPTERS
from ..adapters import write_adapter
from ..errors import FormatError
from ..files import Path, layout_of_name
from ..model import DEFAULT_CAPACITY, Adapter, Block, NormWindows, Pair
from ..tensor import Tensor
from ..validity import check_adapter
from ..windows import LAYOUTS as WINDOWS
from ..windows import write_windows
from . import linears as finding
from .capture import DTYPES, Capture, ForwardRows
from .checks import check_arguments
from .linears import AdaptedLinear, Pairs
from .norms import squared_norms

_graph_task = getattr(torch._C, "_current_graph_task_id", lambda: -1)


def in_backward() -> bool:
    """Whether this thread runs a backward pass: a forward in it is a recomputation."""
    return _graph_task() != -1


class Forward:
    """What one forward of the whole model has shown so far, in one thread."""

    def __init__(self) -> None:
        self.squares: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self.rows: ForwardRows | None = None
        self.error = sys.exc_info()[1]


class ResLoRACollector:
    """Watches the adapted linears of a model.

    Windows: in training mode, each forward of the model adds to every block's windows ‖x‖ and
    ‖A x‖ of the whole batch, padding included; the last ``capacity`` are kept. Blocks that are
    linked get their norms from the same batches: a forward in which one of a tree is missing or not
    finite adds nothing to that tree. A block that runs several times in a forward counts as one
    batch of all its rows.

    Activations: in ``with collector.capture():``.

    Recomputation by gradient checkpointing happens outside a forward of the model, or inside a
    backward pass, and is not counted. In DataParallel each replica's part counts as a batch.

    ``factors`` is ``{name: (A, B, scaling)}``, or ``{name: ([(A, B), …], scaling)}`` for stacked
    pairs; without it, linears of the published code or of PEFT are found. ``structure``,
    ``previous`` (block → predecessor or None), ``root`` and ``pre_num`` override what the model
    says. What an adapter cannot hold is a FormatError here, not after training.
    """

    def __init__(
        self,
        model: nn.Module,
        factors: Mapping[str, Any] | None = None,
        *,
        structure: str | None = None,
        previous: Mapping[str, str | None] | None = None,
        root: str = "self",
        pre_num: int | None = None,
        capacity: int | None = None,
        windows_in_evaluation: bool = False,
    ) -> None:
        found = finding.find(model, factors)
        self.linears: dict[str, AdaptedLinear] = {l.name: l for l in found.linears}
        self.structure = found.structure if structure is None else structure
        self.root = root
        self.pre_num = found.pre_num if pre_num is None else pre_num
        self.previous = found.previous if previous is None else dict(previous)
        if self.previous.keys() != self.linears.keys():
            odd = min(self.previous.keys() ^ self.linears.keys())
            raise FormatError(
                "ResLoRACollector", f"previous: '{odd}'",
                found="no entry" if odd in self.linears else "no such block",
                expected="an entry for each block and for nothing else",
            )
        check_arguments(
            found.linears, "model" if factors is None else "factors",
            self.structure, self.previous, root, self.pre_num,
        )
        if previous is not None and self.structure == "plain" and any(previous.values()):
            raise ValueError("previous= needs structure= 'is', 'bs' or 'ms'")
        if previous is None and found.structure == "plain" and self.structure != "plain":
            raise ValueError(
                "structure= needs previous=; reslora_formats.topology.previous_of links by names"
            )
        self.capacity = capacity_of(capacity, found.capacity)
        self.windows_in_evaluation = windows_in_evaluation
        #: Forwards that gave norms.
        self.forwards = 0
        #: Norms left out, by reason.
        self.dropped: Counter[str] = Counter()
        self._lists: dict[str, tuple[deque[float], deque[float]]] = {
            name: (deque(maxlen=self.capacity), deque(maxlen=self.capacity))
            for name in self.linears
        }
        self._trees = trees(self.previous)
        self._capture: Capture | None = None
        self._capturing = False
        self._capture_training = False
        self._mask: torch.Tensor | None = None
        self._lock = threading.Lock()
        self._local = threading.local()
        self._handles: list[Any] = []
        self._attach(model)

    # MARK: - Hooks

    def _attach(self, model: nn.Module) -> None:
        # Closures, not methods: a copy of the model shares them, and does not copy the collector.
        def watched(module: nn.Module, original: nn.Module) -> bool:
            return module is original or getattr(module, "_is_replica", False)

        for boundary in finding.wrappers(model):

            def enter(module: nn.Module, args: Any, kwargs: Any, original=boundary) -> None:
                if watched(module, original):
                    self._enter(module, args, kwargs)

            def leave(module: nn.Module, args: Any, output: Any, original=boundary) -> None:
                if watched(module, original):
                    self._leave()

            self._handles += [
                boundary.register_forward_pre_hook(enter, with_kwargs=True),
                boundary.register_forward_hook(leave, always_call=True),
            ]
        for linear in self.linears.values():

            def see(module: nn.Module, args: Any, kwargs: Any, linear=linear) -> None:
                if watched(module, linear.module):
                    x = next((v for v in (*args, *kwargs.values()) if torch.is_tensor(v)), None)
                    if x is not None:
                        with torch.no_grad():
                            self._see(linear, module, x)

            self._handles.append(linear.module.register_forward_pre_hook(see, with_kwargs=True))

    @property
    def _stack(self) -> list[Forward | None]:
        """The forwards under way in this thread; wrappers put theirs on top of each other."""
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        return self._local.stack

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        stack = self._stack
        if stack:
            forward = stack[-1]
        else:
            forward = None if in_backward() else Forward()
            if forward is not None and self._capturing and not self.full:
                assert self._capture is not None
                forward.rows = ForwardRows(self._capture.dtype, self._mask)
        stack.append(forward)
        if forward is not None and forward.rows is not None and forward.rows.mask is None:
            mask = kwargs.get("attention_mask")
            forward.rows.mask = mask if torch.is_tensor(mask) else None

    def _leave(self) -> None:
        stack = self._stack
        if not stack:
            return
        forward = stack.pop()
        if stack or forward is None or sys.exc_info()[1] is not forward.error:
            return
        with self._lock:
            self._keep_norms(forward)
            if forward.rows is not None and self._capture is not None:
                self._capture.add(forward.rows, list(self.linears))

    def _see(self, linear: AdaptedLinear, module: nn.Module, x: torch.Tensor) -> None:
        """The input of a block, before the block runs."""
        if not self._stack:
            if not in_backward():
                self._drop(f"'{linear.name}' ran outside a forward of the model given")
            return
        forward = self._stack[-1]
        if forward is None or in_backward():
            return
        if module.training or self.windows_in_evaluation:
            pairs = linear.pairs(module)
            if pairs:
                self._add_norms(forward, linear.name, x, pairs)
        if forward.rows is not None:
            if module.training and not self._capture_training:
                forward.rows.fault = "the model is in training mode (call eval())"
            elif finding.merged_evaluation(module):
                forward.rows.fault = "merged evaluation of the published code (set merge_flag = 0)"
            else:
                forward.rows.add(linear.name, x)

    # MARK: - Windows

    @staticmethod
    def _add_norms(forward: Forward, name: str, x: torch.Tensor, pairs: Pairs) -> None:
        squares = squared_norms(x, pairs)
        before = forward.squares.get(name)
        if before is not None:
            squares = tuple(a.to(b.device) + b for a, b in zip(before, squares))
        forward.squares[name] = squares

    def _keep_norms(self, forward: Forward) -> None:
        if not forward.squares:
            return
        self.forwards += 1
        values = fetched(forward.squares)
        for tree in self._trees:
            missing = [name for name in tree if name not in values]
            if missing and len(missing) < len(tree):
                self._drop(f"'{missing[0]}' did not run, but blocks linked to it did")
            elif missing:
                continue
            elif not all(math.isfinite(v) for name in tree for v in values[name]):
                self._drop(f"a norm of '{tree[0]}', or a block linked to it, is not finite")
            else:
                for name in tree:
                    for kept, value in zip(self._lists[name], values[name]):
                        kept.append(math.sqrt(value))

    def _drop(self, reason: str) -> None:
        if not self.dropped[reason]:
            warnings.warn(f"norms are left out: {reason}", stacklevel=2)
        self.dropped[reason] += 1

    @property
    def windows(self) -> dict[str, NormWindows]:
        """The windows of every block, oldest first."""
        with self._lock:
            return {
                name: NormWindows(list(inputs), list(projections), self.capacity)
                for name, (inputs, projections) in self._lists.items()
            }

    # MARK: - Activations

    @contextlib.contextmanager
    def capture(
        self,
        *,
        max_tokens: int = 20_000,
        max_bytes: int = 2**30,
        dtype: str = "F16",
        training: bool = False,
        folder: Path | None = None,
    ) -> Iterator["ResLoRACollector"]:
        """Keeps the rows that the linears receive in forwards inside the ``with``.

        Rows that the model's ``attention_mask`` (a keyword argument, [batch, sequence]) or
        ``collector.mask()`` marks with 0 are left out; row t of every matrix is the same token. An
        input that several blocks receive is kept once. At most ``max_tokens`` rows and
        ``max_bytes`` bytes in all are kept; they lie in a temporary file in ``folder``. Forwards in
        training mode are left out unless ``training`` (there, dropout would be in the rows).

        A forward whose rows cannot be aligned is left out whole, with a warning;
        ``collector.skipped`` counts them. Used again, it goes on where it stopped.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}, expected one of {', '.join(DTYPES)}")
        if self._capture is None:
            self._capture = Capture(dtype, max_tokens, max_bytes, folder)
        elif self._capture.dtype != dtype:
            raise ValueError(f"dtype {dtype}, but {self._capture.dtype} was begun with")
        self._capture.max_tokens, self._capture.max_bytes = max_tokens, max_bytes
        self._capturing, self._capture_training = True, training
        try:
            yield self
        finally:
            self._capturing = False

    @contextlib.contextmanager
    def mask(self, mask: torch.Tensor) -> Iterator[None]:
        """The tokens to keep in the ``with``: [batch, sequence], 0 for padding."""
        self._mask = mask
        try:
            yield
        finally:
            self._mask = None

    @property
    def tokens(self) -> int:
        """Rows kept so far."""
        return self._capture.tokens if self._capture else 0

    @property
    def full(self) -> bool:
        """Whether a bound of ``capture`` is reached."""
        return self._capture is not None and self._capture.room == 0

    @property
    def skipped(self) -> dict[str, int]:
        """Forwards left out of the activations, by reason."""
        return dict(self._capture.skipped) if self._capture else {}

    def clear_activations(self) -> None:
        """Forgets the rows kept so far."""
        if self._capture is not None:
            self._capture.close()
            self._capture = None

    # MARK: - Saving

    def adapter(
        self, metadata: Mapping[str, str] | None = None, base_model: str | None = None
    ) -> Adapter:
        """The adapter as it is now, with its windows; factors keep their dtypes."""
        windows = self.windows
        blocks = []
        for name, linear in self.linears.items():
            pairs = linear.pairs(linear.module)
            if not pairs:
                raise ValueError(f"'{name}' has no pair in use; new_epoch() adds the first")
            blocks.append(
                Block(
                    name,
                    linear.scaling,
                    [Pair(Tensor.of(A), Tensor.of(B)) for A, B in pairs],
                    self.previous[name],
                    windows[name],
                )
            )
        adapter = Adapter(
            self.structure, blocks, self.root, self.pre_num, base_model, dict(metadata or {})
        )
        check_adapter(adapter, "adapter")
        return adapter

    def save(
        self,
        adapter: Path,
        *,
        activations: Path | None = None,
        windows: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        base_model: str | None = None,
        compression: str = "auto",
    ) -> None:
        """Writes the adapter with its windows, and beside it activations and windows if asked for.

        Factors are as they are now. Layouts are those of the extensions; files that are there are
        replaced.
        """
        for path, layouts in ((adapter, ADAPTERS), (activations, ACTIVATIONS), (windows, WINDOWS)):
            if path is not None:
                layout_of_name(path, layouts)
        content = self.adapter(metadata, base_model)
        if windows is not None and not any(self.windows.values()):
            raise ValueError(f"no norms were collected; dropped: {dict(self.dropped)}")
        if activations is not None and not self.tokens:
            raise ValueError(f"no activations were captured; skipped: {self.skipped}")
        if activations is not None:
            assert self._capture is not None
            with self._lock:
                write_activations(
                    activations, self._capture.store.matrices, self._capture.names, metadata
                )
        if windows is not None:
            write_windows(self.windows, windows)
        write_adapter(content, os.fspath(adapter), compression=compression)

    # MARK: - End

    def remove(self) -> None:
        """Takes the hooks off; what was collected can still be saved."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> "ResLoRACollector":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def capacity_of(given: int | None, found: int | None) -> int:
    """The capacity asked for, else that of the model, else the usual one (Adapter §1.5)."""
    if given is None:
        return found or DEFAULT_CAPACITY
    if type(given) is not int or given < 1:
        raise FormatError(
            "ResLoRACollector", "capacity", "Adapter §1.5", given, "an integer from 1 on"
        )
    return given


def trees(previous: Mapping[str, str | None]) -> list[list[str]]:
    """The blocks that links join, in module order."""
    top: dict[str, str] = {}
    for name in previous:
        path = []
        current = name
        while current not in top:
            path.append(current)
            following = previous.get(current)
            if following is None:
                top[current] = current
                break
            current = following
        for passed in path:
            top[passed] = top[current]
    groups: dict[str, list[str]] = {}
    for name in previous:
        groups.setdefault(top[name], []).append(name)
    return list(groups.values())


def fetched(
    squares: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
) -> dict[str, list[float]]:
    """The numbers, with one transfer for each device."""
    values: dict[str, list[float]] = {}
    devices: dict[torch.device, list[str]] = {}
    for name, (first, _) in squares.items():
        devices.setdefault(first.device, []).append(name)
    for names in devices.values():
        numbers = torch.stack([torch.stack(squares[name]) for name in names]).tolist()
        values.update(zip(names, numbers))
    return values
