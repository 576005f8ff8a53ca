"""What a module is to whoever watches it: parallel, with a rule of its own, or another one in evaluation mode."""

from __future__ import annotations

import sys
from typing import Any

from torch import nn


def is_parallel(module: nn.Module) -> bool:
    """Say whether a module is a DistributedDataParallel."""
    parallel = sys.modules.get("torch.nn.parallel.distributed")
    return bool(parallel and isinstance(module, parallel.DistributedDataParallel))


def has_rule_of_its_own(module: Any) -> bool:
    """Say whether the user has said how a parallel module communicates, or what it leaves out."""
    return bool(getattr(module, "_comm_hooks", None) or module.parameters_to_ignore)


def depends_on_mode(part: nn.Module) -> bool:
    """Say whether a layer is known to compute something else in evaluation mode."""
    if isinstance(part, nn.modules.batchnorm._NormBase):
        return part.track_running_stats
    if isinstance(part, nn.modules.dropout._DropoutNd):
        return part.p > 0
    if isinstance(part, nn.MultiheadAttention | nn.RNNBase):
        return float(part.dropout) > 0
    return False
