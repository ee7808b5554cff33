"""Norms of a batch and of its projection (Merging §3.5)."""

from __future__ import annotations

import torch

from .linears import Pairs

#: Elements that are converted at a time.
PIECE = 2**22


def squared_norms(x: torch.Tensor, pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    """‖x‖² and ‖A x‖² over all rows, scalars on the device of x.

    A x is computed in float32 (float64 where x or A is), whatever autocast says, and without
    dropout; squares are summed in float64 where the device has it (Merging §1.2). Stacked A are
    rows below each other (Merging §2.7), so their squares add up.
    """
    total = torch.float32 if x.device.type == "mps" else torch.float64
    rows = x.reshape(-1, x.shape[-1])
    work = torch.float32
    if x.dtype == torch.float64 or any(A.dtype == torch.float64 for A, _ in pairs):
        work = torch.float64
    stacked = [A.to(device=x.device, dtype=work) for A, _ in pairs]
    of_input = torch.zeros((), dtype=total, device=x.device)
    of_projection = torch.zeros((), dtype=total, device=x.device)
    step = max(1, PIECE // max(1, x.shape[-1]))
    with torch.autocast(device_type=x.device.type, enabled=False):
        for start in range(0, rows.shape[0], step):
            piece = rows[start : start + step].to(work)
            of_input += piece.to(total).square().sum()
            for A in stacked:
                of_projection += (piece @ A.T).to(total).square().sum()
    return of_input, of_projection
