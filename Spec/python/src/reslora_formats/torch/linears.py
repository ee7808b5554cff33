"""The adapted linears of a model, and what its adapter says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import FormatError
from ..topology import previous_of

Pairs = list[tuple[torch.Tensor, torch.Tensor]]
#: ``res_flag`` of the published code (Merging §3.3).
STRUCTURES = ("plain", "is", "bs", "ms")


@dataclass
class AdaptedLinear:
    """One block: where its input passes, and its factors.

    ``pairs`` takes the module that runs, which in DataParallel is a replica on another device.
    """

    name: str
    module: nn.Module
    scaling: float
    pairs: Callable[[nn.Module], Pairs]


@dataclass
class Found:
    """The linears in module order, and the topology (Merging §3.1)."""

    linears: list[AdaptedLinear]
    structure: str
    previous: dict[str, str | None]
    pre_num: int = -1
    capacity: int | None = None


def wrappers(model: nn.Module) -> list[nn.Module]:
    """The model and what it wraps, down to the one by which modules are named.

    DataParallel and DistributedDataParallel, torch.compile, the published ResLoraModel, PeftModel.
    """
    chain = [model]
    while True:
        outer = chain[-1]
        if isinstance(outer, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner: Any = outer.module
        elif isinstance(getattr(outer, "_orig_mod", None), nn.Module):
            inner = outer._orig_mod
        elif isinstance(getattr(outer, "wrapped_model", None), nn.Module):
            inner = outer.wrapped_model
        elif callable(getattr(outer, "get_base_model", None)):
            chain.append(outer.base_model)  # the tuner; PeftModel may call it or what it holds
            inner = outer.get_base_model()
        else:
            return chain
        if inner is outer or inner in chain:
            return chain
        chain.append(inner)


def find(model: nn.Module, factors: Mapping[str, Any] | None) -> Found:
    """The linears of the explicit mapping, of the published code, or of PEFT."""
    inner = wrappers(model)[-1]
    found: Found | None
    if factors is not None:
        found = explicit(inner, factors)
    else:
        found = published(inner) or peft(inner)
    if found is None:
        raise ValueError(
            "no adapted linears: neither modules with .loras (the published code) nor PEFT's; "
            "give factors={name: (A, B, scaling)}"
        )
    return found


# MARK: - Explicit


def explicit(model: nn.Module, factors: Mapping[str, Any]) -> Found:
    """``{name: (A, B, scaling)}``, or ``{name: ([(A, B), …], scaling)}`` for stacked pairs."""
    modules = dict(model.named_modules())
    linears = []
    for name, value in factors.items():
        what = f"block '{name}'"
        if name not in modules:
            raise FormatError("factors", what, found="no such module in the model", expected="one")
        pairs, scaling = explicit_pairs(value, what)
        try:
            scaling = float(scaling)
        except (TypeError, ValueError, RuntimeError):
            raise FormatError(
                "factors", f"{what}: scaling", "Adapter §1.3", form(scaling), "a number"
            ) from None
        linears.append(AdaptedLinear(name, modules[name], scaling, constant(pairs)))
    return Found(linears, "plain", {linear.name: None for linear in linears})


def explicit_pairs(value: Any, what: str) -> tuple[Pairs, Any]:
    """The pairs and the scaling of one block."""
    sequences = (tuple, list)
    if isinstance(value, sequences) and len(value) == 3:
        return [(value[0], value[1])], value[2]
    if isinstance(value, sequences) and len(value) == 2 and isinstance(value[0], sequences):
        if value[0] and all(isinstance(p, sequences) and len(p) == 2 for p in value[0]):
            return [(A, B) for A, B in value[0]], value[1]
    raise FormatError(
        "factors", what, found=form(value), expected="(A, B, scaling) or ([(A, B), …], scaling)"
    )


def form(value: Any) -> str:
    """What a value is, without its elements."""
    if isinstance(value, (tuple, list)):
        inner = ", ".join(form(item) for item in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return type(value).__name__


def constant(pairs: Pairs) -> Callable[[nn.Module], Pairs]:
    return lambda _: pairs


# MARK: - Published code


def published(model: nn.Module) -> Found | None:
    """Linears with ``loras``, a ModuleList of pairs (microsoft/LMOps, folder reslora)."""
    modules = {
        name: module
        for name, module in model.named_modules()
        if isinstance(getattr(module, "loras", None), nn.ModuleList)
        and len(module.loras)
        and all(hasattr(pair, "lora_A") and hasattr(pair, "lora_B") for pair in module.loras)
    }
    if not modules:
        return None
    first = next(iter(modules.values()))
    config = getattr(first, "resconfig", None) or getattr(model, "resconfig", None)
    linears = [
        AdaptedLinear(name, module, published_scaling(module, config), published_pairs)
        for name, module in modules.items()
    ]
    names = {id(module): name for name, module in modules.items()}
    if all(hasattr(module, "pre_lora") for module in modules.values()):
        previous = {}
        for name, module in modules.items():
            if module.pre_lora is not None and id(module.pre_lora) not in names:
                raise FormatError(
                    "model", f"block '{name}': pre_lora", "Adapter §1.4",
                    type(module.pre_lora).__name__, "None or a module of the model with .loras",
                )
            previous[name] = None if module.pre_lora is None else names[id(module.pre_lora)]
    else:
        shapes = [
            (module.loras[0].lora_A.shape[1], module.loras[0].lora_B.shape[0])
            for module in modules.values()
        ]
        previous = previous_of(list(modules), shapes, getattr(config, "target_modules", ""))
    flag = getattr(config, "res_flag", 0)
    if flag not in range(len(STRUCTURES)):
        raise FormatError("model", "res_flag", "Merging §3.3", flag, "0, 1, 2 or 3")
    structure = STRUCTURES[flag]
    if structure == "plain":
        previous = dict.fromkeys(previous)
    return Found(
        linears, structure, previous,
        getattr(config, "pre_num", -1), getattr(config, "merge_4_len", None),
    )


def published_pairs(module: nn.Module) -> Pairs:
    """The pairs in use: those up to ``cur_lora_index``, which ``new_epoch()`` raises."""
    used = getattr(module, "cur_lora_index", len(module.loras) - 1) + 1
    return planned_pairs(module)[: max(used, 0)]


def planned_pairs(module: nn.Module) -> Pairs:
    """All pairs, also those that ``new_epoch()`` has yet to add."""
    return [(pair.lora_A, pair.lora_B) for pair in module.loras]


def published_scaling(module: nn.Module, config: Any) -> float:
    pair = module.loras[0]
    if hasattr(pair, "scaling"):
        return float(pair.scaling)
    if not hasattr(config, "lora_alpha") or not hasattr(config, "rank"):
        raise ValueError("linears with .loras state neither scaling nor a resconfig with lora_alpha and rank")
    return config.lora_alpha / config.rank


def merged_evaluation(module: nn.Module) -> bool:
    """Whether the published code runs its merged forward here, which is not what was trained."""
    config = getattr(module, "resconfig", None)
    return (
        not module.training
        and getattr(config, "merge_flag", 0) != 0
        and getattr(config, "res_flag", 0) in (1, 3)
    )


# MARK: - PEFT


def peft(model: nn.Module) -> Found | None:
    """PEFT's LoRA linears: ``lora_A[adapter].weight``; one adapter at a time."""
    linears = []
    for name, module in model.named_modules():
        factors = getattr(module, "lora_A", None)
        if not isinstance(factors, nn.ModuleDict) or not hasattr(module, "base_layer"):
            if hasattr(module, "lora_embedding_A") and len(module.lora_embedding_A):
                raise ValueError(f"'{name}': embeddings cannot be blocks")
            continue
        if len(module.lora_embedding_A):
            raise ValueError(f"'{name}': embeddings cannot be blocks")
        active = [key for key in module.active_adapters if key in factors]
        if not active:
            continue
        if len(active) > 1:
            raise ValueError(f"'{name}': {len(active)} active adapters, expected one")
        key = active[0]
        if not isinstance(factors[key], nn.Linear):
            raise ValueError(f"'{name}': {type(factors[key]).__name__}, only linears can be blocks")
        if key in getattr(module, "lora_variant", {}) or getattr(module, "use_dora", {}).get(key):
            raise ValueError(f"'{name}': a variant of LoRA that an adapter cannot hold")
        if module.lora_B[key].bias is not None:
            raise ValueError(f"'{name}': a bias on B, which an adapter cannot hold")
        linears.append(
            AdaptedLinear(name, module, float(module.scaling[key]), peft_pairs(key))
        )
    if not linears:
        return None
    return Found(linears, "plain", {linear.name: None for linear in linears})


def peft_pairs(key: str) -> Callable[[nn.Module], Pairs]:
    def pairs(module: Any) -> Pairs:
        return [(module.lora_A[key].weight, module.lora_B[key].weight)]

    return pairs
