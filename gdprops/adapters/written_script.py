"""A case of hand-written backprop as plain Python that anyone can run: NumPy, the user's functions, a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.adapters import script
from gdprops.errors import SubjectCrash

if TYPE_CHECKING:
    from gdprops.adapters.backprop import Backprop
    from gdprops.adapters.written import WrittenRun
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase


def written_script(subject: Backprop, case: BackpropCase) -> str:
    """Return the script; behind ``# ->`` stands what one simultaneous step, or the derivative of the loss, would be."""
    used = subject.gradients if subject.step is None else subject.step
    lines = ["import numpy as np", *_import_of(subject, used), ""]
    lines += [f"params = {subject.container.literal(case.names, case.tensors)}"]
    run = subject.begin(case)
    for t, batch in enumerate(case.batches):
        call = f"{_name_of(subject, used)}(params, {_array(batch.inputs)}, {_array(batch.targets)}"
        if subject.step is None:
            lines += [f"print({call}))", f"# -> {_told(run, run.gradients(run.weights(), t))}"]
        else:
            lines += [f"moved = {call}, {case.rate!r})", f"params = {subject.container.chosen}", "print(params)"]
            lines += _expected(run, t)
    return "\n".join(lines) + "\n"


def _expected(run: WrittenRun, t: int) -> list[str]:
    """Return what w - lr g is from the weights as they are, and let the user's step go on from there."""
    try:
        before = run.weights()
        told = [f"# -> {_told(run, run.update(before, run.gradients(before, t), None, None))}"]
        run.step(t)
    except SubjectCrash:
        return []
    return told


def _told(run: WrittenRun, arrays: Sequence[Array | None]) -> str:
    """Return arrays to nine digits: what differences are good for."""
    rounded = [None if a is None else [float(f"{v:.9g}") for v in np.ravel(a)] for a in arrays]
    return ", ".join(f"{name} {values}" for name, values in zip(run.names, rounded, strict=True))


def _array(values: Array) -> str:
    return f"np.array({np.asarray(values).tolist()})"


def _is_importable(function: Any) -> bool:
    return "<" not in getattr(function, "__qualname__", "<")


def _import_of(subject: Backprop, function: Any) -> list[str]:
    """Return the lines that import a function from where it is defined, or from the subject that holds it."""
    from gdprops.adapters.resolve import LOADED

    if not _is_importable(function):
        return script.import_lines(subject.spec) if subject.spec else [f"# from your own code: {_asked(subject)}"]
    module, code = str(function.__module__), getattr(function, "__code__", None)
    where = code.co_filename if code is not None and module.startswith(LOADED) else module
    return script.import_lines(f"{where}:{function.__qualname__}")


def _asked(subject: Backprop) -> str:
    return "gradients" if subject.step is None else "step"


def _name_of(subject: Backprop, function: Any) -> str:
    if _is_importable(function):
        return str(function.__qualname__)
    return f"{subject.spec.rpartition(':')[2]}.{_asked(subject)}" if subject.spec else _asked(subject)
