"""Sparse gradients, as an embedding has them: they name the rows that were looked up.

Some rules move or remember these rows alone, so a dense gradient must be made sparse again before such a rule is
called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def named_entries(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return the indices of each sparse gradient, of shape (sparse dimensions, entries); None for the others."""
    return [None if g is None or not g.is_sparse else g.detach().coalesce().indices() for g in gradients]


def as_named(gradient: Tensor, named: Tensor | None) -> Tensor:
    """Return a dense gradient as a sparse one with the named entries, and with all other entries that are not zero."""
    if named is None:
        return gradient
    others = gradient.to_sparse(named.shape[0]).indices()
    entries = torch.unique(torch.cat([named, others], dim=1), dim=1)
    return torch.sparse_coo_tensor(entries, gradient[tuple(entries)], gradient.shape).coalesce()
