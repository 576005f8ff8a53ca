"""Notices a step that changes how torch computes in the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from gdprops.errors import SubjectPoisons


@contextmanager
def undisturbed(doing: str) -> Iterator[None]:
    """Run the subject's code; undo and report what it has changed for the whole process.

    Raises `SubjectPoisons` where the code has switched gradients, the default dtype or device, or deterministic
    algorithms.
    """
    before = _switches()
    yield
    after = _switches()
    if after == before:
        return
    torch.set_grad_enabled(before.gradients_enabled)
    torch.set_default_dtype(before.default_dtype)
    torch.set_default_device(before.default_device)
    torch.use_deterministic_algorithms(before.deterministic_algorithms)
    pairs = zip(_Switches._fields, before, after, strict=True)
    changed = ", ".join(f"{name.replace('_', ' ')} {was} -> {now}" for name, was, now in pairs if was != now)
    raise SubjectPoisons(f"{doing} leaves torch changed for the whole process: {changed.replace('torch.', '')}")


class _Switches(NamedTuple):
    gradients_enabled: bool
    default_dtype: torch.dtype
    default_device: torch.device
    deterministic_algorithms: bool


def _switches() -> _Switches:
    return _Switches(
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.empty(0).device,  # asking torch for it takes four times as long
        torch.are_deterministic_algorithms_enabled(),
    )
