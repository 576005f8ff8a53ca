"""How the tests of trainers check a file of the user's, some of whose lines are replaced."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import gdprops
from gdprops.kinds.resolve import resolve

NET = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

def batch(index):
    torch.manual_seed(index)
    return torch.randn(4, 3), torch.randn(4, 2)

def loss(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])
"""
"""A model, batches and a loss."""
SECONDS = 600
"""The limit of a clause: these tests are about what is said, not about how long it takes."""
Changes = tuple[tuple[str, str], ...]


def needs(library: str, extra: str) -> pytest.MarkDecorator:
    """Return the mark of a test that is skipped without a library and what drives a fit."""
    missing = find_spec(library) is None or find_spec("greenlet") is None
    return pytest.mark.skipif(missing, reason=f"{extra} is an extra (tox -e {extra})")


def subject(folder: Path, source: str, kind: str, changes: Changes = (), name: str = "train", **given: Any) -> Any:
    """Return the subject that a file names; ``given``: what ``-p`` states, ``FILE`` standing for the file."""
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    file = folder / "train.py"
    file.write_text(source)
    stated = {k: v.replace("FILE", str(file)) if isinstance(v, str) else v for k, v in given.items() if v is not None}
    return resolve(f"{file}:{name}", kind=kind, hyperparameters=stated)


def violated(clause: str, made: Any, examples: int = 4) -> Any:
    """Return the verdict of the one clause that is checked, which is violated."""
    report = gdprops.check(made, clauses=clause, examples=examples, seed=0, timeout=SECONDS)
    found = report[clause]
    assert found.status == "violated", str(report)
    return found


def held(made: Any, clauses: str = "*", examples: int = 4) -> tuple[dict[str, str], str]:
    """Require that nothing is violated; return each clause's status, and what is told."""
    report = gdprops.check(made, clauses=clauses, examples=examples, seed=0, timeout=SECONDS)
    assert report.exit_code == 0, str(report)
    statuses = {v.clause: str(v.status) for v in report.verdicts if v.about == "subject"}
    return statuses, " ".join(str(report).split())
