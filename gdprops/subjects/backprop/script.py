"""A case of hand-written backprop as a plain Python script: NumPy, the user's functions, and a few numbers.

Anyone who has the user's code can run the script; it needs no gdprops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import SubjectCrash
from gdprops.model.wording import on_one_line
from gdprops.subjects import script_lines
from gdprops.subjects.user_code.importing import LOADED

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.forms import RateAt
    from gdprops.subjects.backprop.run import BackpropRun, Functions


def backprop_script(functions: Functions, spec: str, run: BackpropRun) -> str:
    """Return the script; comments after each call show what was seen and what one simultaneous step would give."""
    used = functions.gradients if functions.step is None else functions.step
    params = f"params = {functions.container.literal(run.case.names, run.case.tensors)}"
    asked = "gradients" if functions.step is None else "step"
    name = _name_of(used, spec, asked)
    done = _looks(run, name) if functions.step is None else _steps(run, name, functions.rate_at)
    return "\n".join(["import numpy as np", *_import_of(used, spec, asked), "", params, *done]) + "\n"


def _looks(run: BackpropRun, name: str) -> list[str]:
    """Return the lines that ask for the gradients of every batch, each with what was seen and expected."""
    lines = list[str]()
    for t in range(len(run.case.batches)):
        lines.append(f"print({name}({', '.join(['params', *map(_array, run.data(t))])}))")
        try:
            lines.append(f"# seen:     {_told(run, run.stated_gradients(t))}")
            lines.append(f"# expected: {_told(run, run.gradients(run.weights(), t))}")
        except SubjectCrash as crash:
            return [*lines, f"# {on_one_line(crash)}"]
    return lines


def _steps(run: BackpropRun, name: str, rate_at: RateAt) -> list[str]:
    """Let the user's step train, and return the lines that repeat it, up to a crash or the first wrong step."""
    lines = list[str]()
    for t in range(len(run.case.batches)):
        call = f"{name}({rate_at.written(['params', *map(_array, run.data(t))], run.case.rate)})"
        before = run.weights()
        try:
            expected = run.update(before, run.gradients(before, t), None, None)
            run.step(t)
        except SubjectCrash as crash:
            return [*lines, call, f"# {on_one_line(crash)}"]
        lines += [call if run.expression is None else f"params = {run.expression.format(call)}", "print(params)"]
        lines += [f"# seen:     {_told(run, run.weights())}", f"# expected: {_told(run, expected)}"]
        if _is_wrong(run, before, expected, t):
            break
    return lines


def _is_wrong(run: BackpropRun, before: Sequence[Array], expected: Sequence[Array], t: int) -> bool:
    bounds = zip(run.weights(), expected, run.allowed(before, t), strict=True)
    return not all((np.abs(seen - wanted) <= bound).all() for seen, wanted, bound in bounds)


def _told(run: BackpropRun, arrays: Sequence[Array | None]) -> str:
    """Return arrays as text, rounded to nine digits: a numerical derivative is not more exact."""
    rounded = [None if a is None else [float(f"{v:.9g}") for v in np.ravel(a)] for a in arrays]
    return ", ".join(f"{name} {values}" for name, values in zip(run.names, rounded, strict=True))


def _array(values: Any) -> str:
    return f"np.array({np.asarray(values).tolist()})" if np.ndim(values) else repr(np.asarray(values).item())


def _is_importable(function: Any) -> bool:
    return "<" not in getattr(function, "__qualname__", "<")


def _import_of(function: Any, spec: str, asked: str) -> list[str]:
    """Return the lines that import a function from where it is defined, or from the subject that holds it."""
    if spec.endswith(".py"):
        return script_lines.import_lines(f"{spec}:{asked}")
    if not _is_importable(function):
        return script_lines.import_lines(spec) if spec else [f"# from your own code: {asked}"]
    module, code = str(function.__module__), getattr(function, "__code__", None)
    where = code.co_filename if code is not None and module.startswith(LOADED) else module
    return script_lines.import_lines(f"{where}:{function.__qualname__}")


def _name_of(function: Any, spec: str, asked: str) -> str:
    if spec.endswith(".py"):
        return asked
    if _is_importable(function):
        return str(function.__qualname__)
    return f"{spec.rpartition(':')[2]}.{asked}" if spec else asked
