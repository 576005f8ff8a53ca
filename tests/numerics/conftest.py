"""Torch as the engine runs it: on one thread, and past the warning that its forward mode gives at first use."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.autograd import forward_ad


@pytest.fixture(scope="session", autouse=True)
def _torch_is_ready() -> None:
    torch.set_num_threads(1)
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.script, inside torch itself
        forward_ad.make_dual(torch.ones(1), torch.ones(1))  # type: ignore[no-untyped-call] # torch's
