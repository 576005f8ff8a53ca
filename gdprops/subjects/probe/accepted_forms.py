"""Traits ``dtypes``, ``shapes``, ``complex`` and ``flags``: which tensors and implementations a subject accepts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.traits import IMPLEMENTATIONS
from gdprops.subjects.probe.computing_precision import computing_precision
from gdprops.subjects.probe.experiment import PATIENCE, Probe, attempt

SHAPES = {"0": (), "1": (3,), "2": (2, 3), "3": (2, 1, 3), "4": (2, 2, 1, 2)}
FLAGS = ("foreach", "fused", "maximize", "differentiable", "capturable")


def dtypes(probe: Probe) -> None:
    """Try four steps in each dtype: the weights must keep their dtype. The probe goes on in the best of them.

    That is float64, unless the subject computes in float32 whatever its parameters are.

    Raises `UsageError` where only bfloat16 or float16 is accepted: clauses compare in float64 and float32.
    """
    accepted = []
    for name in ("float64", "float32"):
        trial = Probe(probe.subject, np.dtype(name))
        if attempt(trial.trajectory) is None and trial.trajectory()[-1][0].dtype == np.dtype(name):
            accepted.append(name)
    low = [name for name in ("bfloat16", "float16") if attempt(lambda n=name: _in_dtype(probe, n)) is None]  # type: ignore[misc] # bound now
    if low and not accepted:
        raise UsageError(f"{probe.subject.name} takes {' and '.join(low)} parameters only; expected float64 or float32")
    if not accepted:
        return
    probe.dtype = np.dtype(accepted[0])
    probe.note("dtypes", "+".join([*accepted, *low]), "four steps on tensors of each dtype")
    if "float64" in accepted:
        computing_precision(probe)
    if probe.value("computes") == "float32" and "float32" in accepted:
        probe.dtype = np.dtype("float32")


def _in_dtype(probe: Probe, dtype: str) -> None:
    trial = Probe(probe.subject, np.dtype("float32"), rated=probe.rated)
    trial.trajectory(replace(trial.plan(), dtype=dtype))


def complex_numbers(probe: Probe) -> None:
    """Try four steps on complex parameters."""
    refused = attempt(lambda: probe.trajectory(replace(probe.plan(), dtype="complex128")))
    evidence = "four steps on complex parameters" if refused is None else str(refused)
    probe.note("complex", "accepted" if refused is None else "rejects", evidence)


def shapes(probe: Probe) -> None:
    """Try twelve steps on one tensor of each number of dimensions."""
    accepted: list[str] = []
    refused: list[str] = []
    for dimensions, shape in SHAPES.items():
        ones = np.ones(shape, dtype=probe.dtype)
        plan = probe.plan(groups=((0,),))
        crash = attempt(lambda ones=ones, plan=plan: probe.run(plan, [ones], [[ones]] * PATIENCE))  # type: ignore[misc] # bound now
        (accepted if crash is None else refused).append(dimensions)
        if isinstance(crash, SubjectCrash):
            probe.refused_shapes[dimensions] = crash
    value = "any" if not refused else "+".join(accepted) or "2"
    said = f"twelve steps on tensors of 0, 1, 2, 3 and 4 dimensions; refused: {', '.join(refused) or 'none'}"
    probe.note("shapes", value, said)


def flags(probe: Probe) -> None:
    """Try four steps with every implementation flag that the signature names and the user has left alone."""
    named = [flag for flag in FLAGS if probe.subject.accepts(flag)]
    off = {flag: False for flag in named if flag in IMPLEMENTATIONS}
    crashes = {flag: attempt(lambda f=flag: probe.trajectory(probe.plan(options={**off, f: True}))) for flag in named}  # type: ignore[misc] # bound now
    accepted = [flag for flag, crash in crashes.items() if crash is None]
    if accepted:
        refused = "; ".join(f"{flag}: {crash}" for flag, crash in crashes.items() if crash is not None)
        probe.note("flags", "+".join(accepted), f"four steps with each{'; refused: ' if refused else ''}{refused}")


FORMS = (shapes, complex_numbers, flags)
