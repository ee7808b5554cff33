"""The merges of the ResLoRA paper (arXiv 2402.18039), in float64, as plainly as possible.

Every delta is a dense matrix, every norm is taken of a dense matrix. Products are sums of outer
products and sums of squares are exactly rounded (`math.fsum`), so results do not depend on the
BLAS or the CPU; only the SVD of `truncated` does, and its figures are cut to 12 digits.
"""

import math
from dataclasses import dataclass, field

import numpy as np

METHODS = {
    "plain": ("none",),
    "is": ("none", "bi", "bw"),
    "bs": ("none", "exact"),
    "ms": ("none", "bi", "bw"),
}


@dataclass
class Block:
    """One LoRA pair beside one linear layer: A [r, in], B [out, r], s = lora_alpha / r."""

    name: str
    a: np.ndarray
    b: np.ndarray
    scaling: float
    previous: str = None
    windows: dict = field(default_factory=lambda: {"input": [], "projection": []})
    weight: np.ndarray = None


@dataclass
class Adapter:
    """Blocks linked into chains by the name of their predecessor."""

    structure: str
    root: str
    pre_num: int
    blocks: dict

    def ancestors(self, block):
        """Blocks n-1, n-2, ... down to the root of the chain."""
        found = []
        while block.previous is not None:
            block = self.blocks[block.previous]
            found.append(block)
        return found

    def shortcuts(self, block):
        """Blocks n-1 ... n-m, m = min(pre_num, number of predecessors); -1 means all."""
        found = self.ancestors(block)
        return found if self.pre_num < 0 else found[:self.pre_num]

    def from_roots(self):
        """All blocks, each after its predecessor."""
        return sorted(self.blocks.values(), key=lambda block: len(self.ancestors(block)))


@dataclass
class Merged:
    """A merged block: its factors alpha, rank and dense delta (out x in, scaling included)."""

    alpha: list
    rank: int
    delta: np.ndarray
    norm: float = None


def product(b, a):
    """B A as a sum of outer products, in the order of the rank index."""
    total = np.zeros((b.shape[0], a.shape[1]))
    for k in range(a.shape[0]):
        total += np.outer(b[:, k], a[k])
    return total


def frobenius(matrix):
    return math.sqrt(math.fsum((matrix * matrix).ravel().tolist()))


def mean(window):
    return math.fsum(window) / len(window)


def link(names, shapes, targets):
    """Infer predecessors as the published code links blocks: {name: predecessor or None}.

    Blocks are grouped by the target key contained in their name and kept in module order, numbers
    compared as numbers; neighbours are linked only if both feature counts agree.
    """
    def module_order(name):
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split(".")]

    previous = {}
    for key in targets.split("."):
        group = sorted((n for n in names if key in n and n not in previous), key=module_order)
        for i, name in enumerate(group):
            linked = i > 0 and shapes[group[i - 1]] == shapes[name]
            previous[name] = group[i - 1] if linked else None
    return previous


def merge(adapter, method):
    """Merge every block: {name: Merged}."""
    chosen = {
        "none": dropped, "exact": exact,
        "bi": {"is": is_by_input, "ms": ms_by_input}.get(adapter.structure),
        "bw": {"is": is_by_weights, "ms": ms_by_weights}.get(adapter.structure),
    }[method]
    return chosen(adapter)


def dropped(adapter):
    """Eq. 1: s B A, shortcuts left out."""
    return {block.name: Merged([], len(block.a), block.scaling * product(block.b, block.a))
            for block in adapter.blocks.values()}


def exact(adapter):
    """Eqs. 3 and 5: sum over k = 0...m of s_{n-k} B_{n-k} A_{n-k}."""
    merged = {}
    for block in adapter.blocks.values():
        delta, rank = np.zeros((len(block.b), block.a.shape[1])), 0
        for part in [block] + adapter.shortcuts(block):
            delta += part.scaling * product(part.b, part.a)
            rank += len(part.a)
        merged[block.name] = Merged([], rank, delta)
    return merged


def scaled(block, alpha):
    """s (1 + alpha) B A."""
    delta = block.scaling * (1 + alpha) * product(block.b, block.a)
    return Merged([alpha], len(block.a), delta)


def mixed(block, alphas, others):
    """s B (A_n + sum_k alpha_k A_{n-k})."""
    a = block.a.copy()
    for alpha, other in zip(alphas, others, strict=True):
        a += alpha * other.a
    return Merged(alphas, len(block.a), block.scaling * product(block.b, a))


def root_alpha(adapter):
    """The factor at the root of an input-shortcut chain: 1 if x_{-1} is x_0, 0 if there is none."""
    return 1.0 if adapter.root == "self" else 0.0


def is_by_input(adapter):
    """Eqs. 8 and 9: alpha = f_{n-1} / f_n, f the mean norm of the input."""
    merged = {}
    for block in adapter.blocks.values():
        alpha = root_alpha(adapter)
        for before in adapter.ancestors(block)[:1]:
            alpha = mean(before.windows["input"]) / mean(block.windows["input"])
        merged[block.name] = scaled(block, alpha)
    return merged


def is_by_weights(adapter):
    """Eqs. 10 and 11: alpha = f*_{n-2} / f*_{n-1}, f* = norm of W* = W + s (1 + alpha) B A."""
    merged, star = {}, {}
    for block in adapter.from_roots():
        before = adapter.ancestors(block)
        if not before:
            alpha = root_alpha(adapter)
        elif len(before) == 1:
            alpha = 1.0
        else:
            alpha = star[before[1].name] / star[before[0].name]
        merged[block.name] = scaled(block, alpha)
        star[block.name] = frobenius(block.weight + merged[block.name].delta)
    return merged


def ms_by_input(adapter):
    """Eq. 12: alpha = sum over k = 1...m of f_{n-k} / f_n, f the mean norm of A x."""
    merged = {}
    for block in adapter.blocks.values():
        others = adapter.shortcuts(block)
        if others:
            own = mean(block.windows["projection"])
            alpha = math.fsum(mean(other.windows["projection"]) / own for other in others)
            merged[block.name] = scaled(block, alpha)
        else:
            merged[block.name] = mixed(block, [], [])
    return merged


def ms_by_weights(adapter):
    """Eq. 13: A* = A_n + sum_k alpha_k A_{n-k}, alpha_k = f*_{n-k-1} / f*_{n-1}.

    f* = norm of W* = W + s B A*; the factor is 1 where block n-k-1 does not exist.
    """
    merged, star = {}, {}
    for block in adapter.from_roots():
        before, others = adapter.ancestors(block), adapter.shortcuts(block)
        alphas = []
        for k in range(1, len(others) + 1):
            exists = k < len(before)
            alphas.append(star[before[k].name] / star[before[0].name] if exists else 1.0)
        merged[block.name] = mixed(block, alphas, others)
        star[block.name] = frobenius(block.weight + merged[block.name].delta)
    return merged


def merge_lmops(adapter, method):
    """What the published code computes (profile `lmops`): {name: Merged} with `norm` set.

    `bw` is its merge flag 3, `bi` its flag 4. A missing block or a zero norm gives factor 1.
    """
    norms, merged = {}, {}
    for block in adapter.blocks.values():
        if adapter.structure == "is" and method == "bw":
            norms[block.name] = frobenius(block.weight + product(block.b, block.a).T)
        else:
            by_projection = adapter.structure == "ms" and method == "bi"
            norms[block.name] = mean(block.windows["projection" if by_projection else "input"])

    def ratio(upper, lower):
        upper, lower = norms[upper.name], norms[lower.name]
        return 1.0 if upper == 0 or lower == 0 else upper / lower

    for block in adapter.blocks.values():
        before, others = adapter.ancestors(block), adapter.shortcuts(block)
        if adapter.structure == "is" and method == "bw":
            result = scaled(block, ratio(before[1], before[0]) if len(before) > 1 else 1.0)
        elif adapter.structure == "is":
            result = scaled(block, ratio(before[0], block) if before else 1.0)
        elif method == "bw" or not others:
            result = mixed(block, [ratio(other, block) for other in others], others)
        else:
            result = scaled(block, math.fsum(ratio(other, block) for other in others))
        result.norm = norms[block.name]
        merged[block.name] = result
    return merged


def truncated(adapter, ranks=(), shares=()):
    """Best approximations of the exact bs deltas, by a dense SVD.

    Fixed ranks, or the smallest rank that keeps a share of the squared norm.
    """
    def digits(number):
        return float(f"{number:.12g}")

    result = {"rank": {str(r): {} for r in ranks}, "energy": {str(e): {} for e in shares}}
    for name, merged in exact(adapter).items():
        sigma = np.linalg.svd(merged.delta, compute_uv=False)[:merged.rank]
        total = math.fsum(sigma**2)

        def keep(rank):
            rank = min(rank, len(sigma))
            head, tail = math.fsum(sigma[:rank]**2), math.fsum(sigma[rank:]**2)
            return {"rank": rank, "delta_norm": digits(math.sqrt(head)),
                    "error": digits(math.sqrt(tail / total))}

        for rank in ranks:
            result["rank"][str(rank)][name] = keep(rank)
        for share in shares:
            kept = [math.fsum(sigma[:k]**2) / total for k in range(len(sigma) + 1)]
            assert all(abs(part - share) > 1e-6 for part in kept), "too close to the threshold"
            rank = next(k for k, part in enumerate(kept) if part >= share)
            result["energy"][str(share)][name] = keep(rank)
    return result


def report(merged, adapter):
    """The figures of one merge for `expected.json`."""
    blocks = {}
    for name in adapter.blocks:
        one = merged[name]
        blocks[name] = {
            "alpha": one.alpha, "rank": one.rank, "delta_norm": frobenius(one.delta),
            "folded_norm": frobenius(adapter.blocks[name].weight + one.delta),
        }
        if one.norm is not None:
            blocks[name]["norm"] = one.norm
    return {"blocks": blocks}


def describe(adapter):
    """What an adapter is, for `expected.json`."""
    blocks = {}
    for name, block in adapter.blocks.items():
        blocks[name] = {
            "rank": len(block.a), "in": block.a.shape[1], "out": len(block.b),
            "scaling": block.scaling, "previous": block.previous,
            "norm_a": frobenius(block.a), "norm_b": frobenius(block.b),
        }
    return {"structure": adapter.structure, "root": adapter.root, "pre_num": adapter.pre_num,
            "blocks": blocks}
