"""Verdicts as a run would have made them, for the tests of everything that shows verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gdprops.model.clause import Level
from gdprops.model.evidence import Location
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Counterexample, Status, Verdict

__all__ = ["About", "Counterexample", "Level", "Location", "Outcome", "Status", "Verdict"]

SIMULTANEOUS = "One step equals U(w, g(w), s) with every gradient at the weights remembered by the forward pass."

CODE = """\
import gdprops

w = [[0.5, -1.0]]
print(w)
"""


def held(**changes: Any) -> Verdict:
    """Return a clause that held exactly."""
    verdict = Verdict(
        "step.simultaneous",
        About.SUBJECT,
        Level.REQUIRED,
        Status.HELD,
        SIMULTANEOUS,
        examples=100,
        decisive=96,
        seconds=0.5,
    )
    return replace(verdict, **changes)


def violated(**changes: Any) -> Verdict:
    """Return a clause that broke at one weight."""
    verdict = held(
        status=Status.VIOLATED,
        examples=7,
        decisive=6,
        worst_ratio=float("inf"),
        blame=("layer1.weight", "layer1.bias"),
        first_wrong_step=1,
        location=Location("layer1.weight", (0, 1), 1, "0.75", "0.5", 0.25, 0.5, 0.0),
        explanation="A layer-by-layer update, last layer first, reproduces the weights seen.",
        counterexample=Counterexample(
            {"kind": "update"}, CODE, ".gdprops/case.json", "gdprops replay .gdprops/case.json mypkg:MySGD"
        ),
    )
    return replace(verdict, **changes)


def vacuous(**changes: Any) -> Verdict:
    """Return a clause that could not be decided."""
    fields = {"clause": "step.trains", "reason": "the loss was not finite in 97 examples", **changes}
    return held(status=Status.VACUOUS, decisive=3, worst_ratio=0.25, **fields)


def not_applicable(**changes: Any) -> Verdict:
    """Return a clause that does not apply."""
    fields = {"clause": "step.plain", "reason": "not plain gradient descent", **changes}
    return held(status=Status.NOT_APPLICABLE, examples=0, decisive=0, **fields)


def reference(**changes: Any) -> Verdict:
    """Return a verdict about the reference."""
    fields = {"clause": "gradient.pure", "seconds": 0.1, **changes}
    return held(about=About.REFERENCE, examples=20, decisive=20, worst_ratio=0.125, **fields)


def outcome(*verdicts: Verdict, **changes: Any) -> Outcome:
    """Return a run of these verdicts."""
    fields = {"subject": "mypkg:MySGD(lr=0.5)", "seed": None, "profile": "dev", **changes}
    return Outcome(verdicts=verdicts, **fields)
