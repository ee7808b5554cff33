"""What a merge costs on captured inputs, and the merges fitted to them (Spec/replay.md).

Float64, dense, one token a row. As in `merges`, products are sums of outer products and sums of
squares are exactly rounded; equations are solved by a Cholesky factorisation in plain arithmetic.
Only the truncation and the condition number come from LAPACK, and those figures are cut.
"""

import math
from dataclasses import dataclass

import numpy as np

from . import merges
from .merges import frobenius, product
from .safetensors_io import Tensor

FOLDS = 5
GRID = [math.inf] + [10.0 ** (i / 2) for i in range(4, -13, -1)]  # then 1e2 down to 1e-6


@dataclass
class Activations:
    """Captured inputs: block -> name of its matrix, name -> matrix [tokens, features]."""

    inputs: dict
    matrices: dict

    def of(self, block):
        return self.matrices[self.inputs[block.name]]

    @property
    def tokens(self):
        return len(next(iter(self.matrices.values())))

    def rows(self, start, stop):
        return self.taking(range(start, stop))

    def taking(self, rows):
        rows = list(rows)
        return Activations(self.inputs, {n: m[rows] for n, m in self.matrices.items()})


# What was trained


def residual(adapter, block, activations):
    """Eqs. 1 to 4 without W x: the low-rank term with shortcuts, [tokens, out]."""
    x = activations.of(block)
    if adapter.structure == "bs":
        total = np.zeros((len(x), len(block.b)))
        for part in [block] + adapter.shortcuts(block):
            total += part.scaling * product(product(x, part.a.T), part.b.T)
        return total
    projected = product(x, block.a.T) + shortcut(adapter, block, activations)
    return block.scaling * product(projected, block.b.T)


def shortcut(adapter, block, activations):
    """The shortcut term t of is and ms, [tokens, r]; zero where there is none."""
    if adapter.structure == "is" and block.previous is not None:
        return product(activations.of(adapter.blocks[block.previous]), block.a.T)
    if adapter.structure == "is" and adapter.root == "self":
        return product(activations.of(block), block.a.T)
    total = np.zeros((activations.tokens, len(block.a)))
    if adapter.structure == "ms":
        for other in adapter.shortcuts(block):
            total += product(activations.of(other), other.a.T)
    return total


def fitted(adapter, block):
    """Whether there is a shortcut to fit: not at the root of is, not where m is 0."""
    if adapter.structure == "is":
        return block.previous is not None
    return adapter.structure == "ms" and bool(adapter.shortcuts(block))


# Metrics


def measure(adapter, merged, activations, dtype):
    """The figures of one merge, block by block, and their means; None where there is none."""
    blocks = {}
    for name, block in adapter.blocks.items():
        x, one = activations.of(block), merged[name]
        wanted, got = residual(adapter, block, activations), product(x, one.delta.T)
        base = product(x, block.weight.T)
        folded = Tensor.of(block.weight + one.delta, dtype).values()
        rounding = product(x, (folded - (block.weight + one.delta)).T)
        difference, size = wanted - got, frobenius(wanted)
        each = [(frobenius(d), frobenius(w)) for d, w in zip(difference, wanted, strict=True)]
        each = [d / w for d, w in each if w > 0]
        product_of_norms = size * frobenius(got)
        blocks[name] = {
            "alpha": one.alpha, "oracle_alpha": oracle_alpha(adapter, block, activations),
            "rank": one.rank, "delta_norm": frobenius(one.delta),
            "folded_norm": frobenius(block.weight + one.delta),
            "delta_error": share(frobenius(difference), size),
            "output_error": share(frobenius(difference), frobenius(base + wanted)),
            "max_token_error": max(each, default=None),
            "cosine": inner(wanted, got) / product_of_norms if product_of_norms else None,
            "stored_error": share(frobenius(rounding), size),
            "realised_error": share(frobenius(rounding - difference), size),
        }
    return summary(blocks)


def summary(blocks):
    """Means over the blocks that have the figure, and the first of the worst."""
    result = {}
    for figure in ("delta_error", "output_error"):
        values = [block[figure] for block in blocks.values() if block[figure] is not None]
        result[f"mean_{figure}"] = math.fsum(values) / len(values) if values else None
    # Where no error is more than rounding, no block is the worst.
    known = {name: block["delta_error"] or 0.0 for name, block in blocks.items()}
    worst = max(known, key=known.get)
    result["worst_block"] = worst if known[worst] > 1e-12 else None
    result["blocks"] = blocks
    return result


def share(part, whole):
    if whole > 0:
        return part / whole
    return 0.0 if part == 0 else None


def inner(a, b):
    return math.fsum((a * b).ravel().tolist())


# The scalar of least squares


def oracle_alpha(adapter, block, activations):
    """The factor that fits these tokens best; at the root of is the one that is exact."""
    if fitted(adapter, block):
        return least_squares(adapter, block, activations)
    if adapter.structure == "is":
        return merges.root_alpha(adapter)
    return None


def least_squares(adapter, block, activations):
    """<u, v> / <u, u>, u = B A x and v = B t; 0 where u is 0."""
    u = product(product(activations.of(block), block.a.T), block.b.T)
    v = product(shortcut(adapter, block, activations), block.b.T)
    size = inner(u, u)
    return inner(u, v) / size if size > 0 else 0.0


def ls(adapter, activations):
    """s (1 + alpha) B A with the alpha of least squares."""
    merged = {}
    for name, block in adapter.blocks.items():
        if fitted(adapter, block):
            merged[name] = merges.scaled(block, least_squares(adapter, block, activations))
        else:
            merged[name] = unfitted(adapter, block)
    return merged


def unfitted(adapter, block):
    """A block without anything to fit, whose merge is exact."""
    if adapter.structure == "is":
        return merges.scaled(block, merges.root_alpha(adapter))
    return merges.mixed(block, [], [])


# The matrix of least squares


def calibrated(adapter, activations, paper="bw"):
    """A* = A + R, R = argmin |T - X R'|^2 + lambda |R - R0|^2: merges, and what was chosen."""
    merged, chosen = {}, {}
    alphas = {name: one.alpha for name, one in merges.merge(adapter, paper).items()}
    for name, block in adapter.blocks.items():
        if not fitted(adapter, block):
            merged[name] = unfitted(adapter, block)
            continue
        (best, c), error = cross_validate(adapter, block, activations, alphas[name], paper)
        x, t = activations.of(block), shortcut(adapter, block, activations)
        prior = candidates(adapter, block, activations, alphas[name], paper)[best]
        regression = Ridge(x)
        strength = 0.0 if c in (None, math.inf) else c * regression.unit
        r = prior
        if strength > 0:
            r = prior + regression.fit(t - product(x, prior.T), strength).T
        delta = block.scaling * product(block.b, block.a + r)
        merged[name] = merges.Merged([], len(block.a), delta)
        chosen[name] = {"prior": best, "c": None if c == math.inf else c, "lambda": strength, "cv_error": error,
                        "condition": regression.condition(strength)}
    return merged, chosen


def cross_validate(adapter, block, activations, alphas, paper):
    """The prior and the c with the least error on tokens left out, and that error.

    The error is the norm of s B (t - R x), over that of s B (A x + t).
    """
    tokens = activations.tokens
    count = min(FOLDS, tokens)
    if count < 2:
        return (paper, None), None
    sums = {}
    for fold in range(count):
        start, stop = fold * tokens // count, (fold + 1) * tokens // count
        train = activations.taking(i for i in range(tokens) if not start <= i < stop)
        test = activations.rows(start, stop)
        x, t = train.of(block), shortcut(adapter, block, train)
        priors = candidates(adapter, block, train, alphas, paper)
        together = np.concatenate([t - product(x, prior.T) for prior in priors.values()], axis=1)
        regression = Ridge(x)
        for c in GRID:
            strength = 0.0 if c == math.inf else c * regression.unit
            gain = regression.fit(together, strength) if strength > 0 else None
            for i, (name, prior) in enumerate(priors.items()):
                r = prior.T
                if gain is not None:
                    r = r + gain[:, i * len(prior):(i + 1) * len(prior)]
                left = shortcut(adapter, block, test) - product(test.of(block), r)
                left = block.scaling * product(left, block.b.T)
                sums.setdefault((name, c), []).append(inner(left, left))
    whole = frobenius(residual(adapter, block, activations))
    errors = {key: math.sqrt(math.fsum(parts)) for key, parts in sums.items()}
    best = first_of_least(errors, min(errors.values()))
    return best, share(errors[best], whole)


def first_of_least(errors, scale):
    """The earliest key of the least value, up to what rounding may decide: 1e-9 of `scale`."""
    least = min(errors.values())
    nearly = [key for key, value in errors.items() if value <= least + 1e-7 * scale]
    tied = [key for key, value in errors.items() if value <= least + 1e-9 * scale]
    assert nearly == tied, f"too close to tell: {nearly}"
    return tied[0]


def candidates(adapter, block, activations, alphas, paper):
    """R0: what the paper's merge adds to A, and a regression feature by feature."""
    others = adapter.shortcuts(block) if adapter.structure == "ms" else [None]
    x = activations.of(block)
    squares = column_sums(x * x)
    by_paper, by_feature = np.zeros(block.a.shape), np.zeros(block.a.shape)
    for k, other in enumerate(others):
        before = adapter.blocks[block.previous] if other is None else other
        a = block.a if other is None else other.a
        slopes = column_sums(x * activations.of(before))
        slopes = np.divide(slopes, squares, out=np.zeros_like(squares), where=squares > 0)
        by_feature += a * slopes
        if paper == "bw":
            by_paper += alphas[k] * a
    if paper == "bi":
        by_paper = alphas[0] * block.a
    return {paper: by_paper, "slopes": by_feature}


def column_sums(matrix):
    return np.array([math.fsum(column) for column in matrix.T.tolist()])


class Ridge:
    """argmin |targets - x d|^2 + lambda |d|^2, from whichever Gram matrix of x is smaller."""

    def __init__(self, x):
        self.x, self.dual = x, len(x) < x.shape[1]
        self.gram = product(x, x.T) if self.dual else product(x.T, x)
        self.unit = inner(x, x) / x.shape[1]  # trace(G) / d, G = X'X

    def fit(self, targets, strength):
        matrix = self.gram + strength * np.eye(len(self.gram))
        if self.dual:
            return product(self.x.T, solve(matrix, targets))
        return solve(matrix, product(self.x.T, targets))

    def condition(self, strength):
        """(rho + lambda) / lambda, rho the largest eigenvalue of G."""
        return digits(1 + np.linalg.eigvalsh(self.gram)[-1] / strength, 9) if strength else None


def solve(matrix, right):
    """Cholesky, column by column, in arithmetic that has the same bits on every CPU."""
    lower, right, size = matrix.copy(), right.copy(), len(matrix)
    for j in range(size):
        lower[j:, j] /= math.sqrt(lower[j, j])
        lower[j + 1:, j + 1:] -= np.outer(lower[j + 1:, j], lower[j + 1:, j])
    for j in range(size):
        right[j] /= lower[j, j]
        right[j + 1:] -= np.outer(lower[j + 1:, j], right[j])
    for j in reversed(range(size)):
        right[j] /= lower[j, j]
        right[:j] -= np.outer(lower[j, :j], right[j])
    return right


# The choice among all


def automatic(adapter, activations, final):
    """Per block the method with the least error on the last fifth: merges, and what was chosen.

    `final` are the merges of all methods, fitted on all tokens.
    """
    tokens = activations.tokens
    held = -(-tokens // 5)
    first, last = activations.rows(0, tokens - held), activations.rows(tokens - held, tokens)
    tried = every(adapter, first)[0]
    merged, chosen = {}, {}
    for name, block in adapter.blocks.items():
        wanted, x = residual(adapter, block, last), last.of(block)
        errors = {m: frobenius(wanted - product(x, one[name].delta.T)) for m, one in tried.items()}
        chosen[name] = first_of_least(errors, frobenius(wanted))
        merged[name] = final[chosen[name]][name]
    return merged, chosen


def every(adapter, activations):
    """Every method of an adapter, fitted on these tokens, in the order of ties; and the fits."""
    methods = merges.METHODS[adapter.structure]
    merged, fits = {method: merges.merge(adapter, method) for method in methods}, {}
    if adapter.structure in ("is", "ms"):
        merged["ls"] = ls(adapter, activations)
        merged["calibrated"], fits["calibrated"] = calibrated(adapter, activations)
    return merged, fits


# Truncation in the metric of the inputs


def truncated(adapter, merged, activations, rank=None, energy=None):
    """Delta_q = U_q U_q' Delta, U from the SVD of Delta M^(1/2).

    M = G + 1e-6 g I, g = |X Delta'|^2 / |Delta|^2, what G does to Delta on average.
    """
    result = {}
    for name, block in adapter.blocks.items():
        one, x = merged[name], activations.of(block)
        metric = product(x.T, x)
        seen, size = product(x, one.delta.T), inner(one.delta, one.delta)
        gain = inner(seen, seen) / size if size > 0 else 0.0
        metric += (1e-6 * gain if gain > 0 else 1.0) * np.eye(len(metric))
        u, sigma, _ = np.linalg.svd(product(one.delta, np.linalg.cholesky(metric)))
        squares = sigma[:one.rank] ** 2
        keep = min(rank or one.rank, len(squares))
        if energy is not None:
            kept = [math.fsum(squares[:k]) / math.fsum(squares) for k in range(len(squares) + 1)]
            assert all(abs(part - energy) > 1e-6 for part in kept), "too close to the threshold"
            keep = max(1, next(k for k, part in enumerate(kept) if part >= energy))
        if keep == one.rank:
            result[name] = one
        else:
            delta = product(u[:, :keep], product(u[:, :keep].T, one.delta))
            result[name] = merges.Merged(one.alpha, keep, delta)
    return result


def digits(value, count=12):
    """Every number inside, cut to so many digits."""
    if isinstance(value, dict):
        return {key: digits(part, count) for key, part in value.items()}
    if isinstance(value, list):
        return [digits(part, count) for part in value]
    return float(f"{value:.{count}g}") if isinstance(value, float) else value


# Everything


def report(adapter, calibration, heldout, dtype, ranks=(), shares=()):
    """All of `replay.json`, and the merges it measures."""
    merged, fits = every(adapter, calibration)
    if adapter.structure in ("is", "ms"):
        chosen = automatic(adapter, calibration, merged)
        merged["calibrated-bi"], fits["calibrated-bi"] = calibrated(adapter, calibration, "bi")
        merged["auto"], fits["auto"] = chosen
    result = {"tokens": heldout.tokens, "calibration_tokens": calibration.tokens, "methods": {
        method: measure(adapter, one, heldout, dtype) for method, one in merged.items()}}
    if fits:
        result["fits"] = fits
    if ranks or shares:
        result["truncated"] = {"rank": {}, "energy": {}}
    for kind, values in (("rank", ranks), ("energy", shares)):
        for value in values:
            one = truncated(adapter, merged["exact"], calibration, **{kind: value})
            merged[f"exact-{kind}-{value}"] = one
            figures = digits(measure(adapter, one, heldout, dtype))
            result["truncated"][kind][str(value)] = figures
    return result, merged
