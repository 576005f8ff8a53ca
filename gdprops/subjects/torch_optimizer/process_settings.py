"""Notices a step that changes how torch computes in the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    torch.set_grad_enabled(before["gradients enabled"])
    torch.set_default_dtype(before["default dtype"])
    torch.set_default_device(before["default device"])
    torch.use_deterministic_algorithms(before["deterministic algorithms"])
    changed = ", ".join(f"{name} {before[name]} -> {after[name]}" for name in before if before[name] != after[name])
    raise SubjectPoisons(f"{doing} leaves torch changed for the whole process: {changed.replace('torch.', '')}")


def _switches() -> dict[str, Any]:
    return {
        "gradients enabled": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.empty(0).device,  # asking torch for it takes four times as long
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }
