"""Torch as the engine runs it: on one thread. Tests run on several processes, which would fight over the cores."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Every library that counts threads, in this process and in those that tests start."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    if find_spec("torch") is not None:  # the environment `light` has none
        import torch

        torch.set_num_threads(1)
