"""A case of hand-written backprop as a plain Python script: NumPy, the user's functions, and a few numbers.

Anyone who has the user's code can run the script; it needs no gdprops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import SubjectCrash
from gdprops.model.evidence import LOSS_FALLS
from gdprops.model.wording import on_one_line
from gdprops.subjects import script_lines
from gdprops.subjects.backprop.ending import asserted, endings, with_ending
from gdprops.subjects.backprop.fresh_interpreter import printed
from gdprops.subjects.backprop.run import told_of
from gdprops.subjects.script_lines import Written
from gdprops.subjects.user_code.importing import LOADED
from gdprops.subjects.user_code.source import NOTEBOOK, is_whole_file

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.backprop.forms import RateAt
    from gdprops.subjects.backprop.run import BackpropRun, Functions


def backprop_scripts(functions: Functions, spec: str, run: BackpropRun, evidence: Evidence) -> Iterator[Written]:
    """Yield scripts of a case; comments after each call show what was seen and what one simultaneous step would give.

    A script ends in the assertion of what the clause demands, or in the exception. One of code that is not
    deterministic says so in its last line instead.
    """
    if functions.script is not None:
        yield _by_hand(functions, spec, run)
        return
    used, asked = _used(functions, evidence)
    name, params = (
        _name_of(used, spec, asked),
        f"params = {functions.container.literal(run.case.names, run.case.tensors)}",
    )
    head = ["import numpy as np", *_path_of(functions), *_import_of(used, spec, asked)]
    bound = {"np": np, **_bound(name, used, {})} if _is_bound(head) else {}

    loss = ""
    if evidence.demand is LOSS_FALLS:
        loss = _name_of(functions.loss, spec, "loss")
        head += [line for line in _import_of(functions.loss, spec, "loss") if line not in head]
        bound |= _bound(loss, functions.loss, bound) if _is_bound(head) else {}
        t = sum(line.startswith("print(") for line in _done(functions, run.again(), name)) - 1
        loss = f"float({loss}({', '.join(['params', *map(_array, run.data(t))])}))"

    def written(body: list[str], *, crashes: bool = False, admits: bool = False) -> Written:
        run.again()  # what the user's code remembers is put back
        return Written(head, ["", *body], "float64", crashes, bound, admits)

    if "writes into" in evidence.reason and evidence.location is not None:
        yield written([params, *_given(functions, run, name, asked), *asserted(evidence.location, functions.container)])
        return
    made = [params, *_done(functions, run.again(), name)]
    if [params, *_done(functions, run.again(), name)] != made:
        yield written([*made, UNSTEADY], admits=True)
        return
    fresh = _as_in_a_fresh_interpreter([*head, "", *made], run, spec)[len(head) + 1 :]
    if fresh[-1] == REMEMBERS:
        yield written(fresh, admits=True)
    elif made[-1].startswith(CRASHED):
        yield written(made[:-1], crashes=True)
    else:
        yield from (written(with_ending(fresh, ending)) for ending in endings(functions, run, evidence, loss))


def _used(functions: Functions, evidence: Evidence) -> tuple[Any, str]:
    """Return the function that a script calls, and its name among the user's functions."""
    said = evidence.reason.partition("(")[0]
    if "writes into" in evidence.reason and said in ("loss", "gradients", "step"):
        return getattr(functions, said), said
    return (functions.gradients, "gradients") if functions.step is None else (functions.step, "step")


def _given(functions: Functions, run: BackpropRun, name: str, asked: str) -> list[str]:
    """Return the lines of one call, after which the arguments can be looked at."""
    x, y = map(_array, run.data(0))
    arguments = ["params", "X", "y"]
    inside = functions.rate_at.written(arguments, run.case.rate) if asked == "step" else ", ".join(arguments)
    return [f"X, y = {x}, {y}", f"{name}({inside})"]


def _is_bound(head: Sequence[str]) -> bool:
    """Say whether the imports would run the user's file again, or import nothing."""
    return any("runpy" in line or line.startswith("#") for line in head)


def _bound(name: str, used: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Return the first part of a function's name, bound to the function or to an object that has it."""
    first, _, inside = name.partition(".")
    others = vars(known[first]) if inside and first in known else {}
    return {first: SimpleNamespace(**{**others, inside: used}) if inside else used}


def _by_hand(functions: Functions, spec: str, run: BackpropRun) -> Written:
    """Return the first wrong step of code of another form: the user's own objects and functions, called by hand."""
    assert functions.script is not None, "only asked for where there is one"
    lines = list[str]()
    for t in range(len(run.case.batches)):
        before, (x, y) = run.weights(), run.data(t)
        if functions.layout.has_one_sample:
            x, y = np.asarray(x)[None], np.asarray(y)[None]
        with functions.helpers.present():
            lines = functions.script(dict(zip(run.names, before, strict=True)), x, y, run.case.rate)
        try:
            gradients = run.gradients(before, t)
            expected = run.update(before, gradients, None, None)
            if functions.step is None:
                lines += _compared(run, run.stated_gradients(t), gradients)
                break
            run.step(t)
        except SubjectCrash as crash:
            lines.append(f"# {on_one_line(crash)}")
            break
        if _is_wrong(run, before, expected, t) or t == len(run.case.batches) - 1:
            lines += _compared(run, run.weights(), expected)
            break
    return Written(["import numpy as np", *_all_of(spec)], ["", *lines], "float64", False, {}, admits=True)


def _all_of(spec: str) -> list[str]:
    """Return the lines that import the object that a subject string names, or all that its file defines."""
    if ":" in spec or spec.endswith(NOTEBOOK):
        return _import_lines(spec)
    return ["import runpy", f"globals().update(runpy.run_path({spec!r}))"]


def _compared(run: BackpropRun, seen: Sequence[Array | None], expected: Sequence[Array | None]) -> list[str]:
    return [f"{SEEN}{told_of(run.names, seen)}", f"# expected: {told_of(run.names, expected)}"]


SEEN = "# seen:     "
CRASHED = "# it raises: "
UNSTEADY = "# a second run of these lines gives other numbers: the code is not deterministic"
REMEMBERS = (
    "# after many other calls the same lines gave other numbers: the code keeps something from one call to the next"
)


def _done(functions: Functions, run: BackpropRun, name: str) -> list[str]:
    return _looks(run, name) if functions.step is None else _steps(run, name, functions.rate_at)


def _path_of(functions: Functions) -> list[str]:
    """Return the lines without which a file's helper modules are not found."""
    found = functions.helpers.folder
    return [] if found is None else ["import sys", f"sys.path.insert(0, {found!r})"]


def _as_in_a_fresh_interpreter(lines: list[str], run: BackpropRun, spec: str) -> list[str]:
    """Return the lines with what is seen by somebody who runs them: numbers that the process remembers are replaced."""
    file = Path(spec.partition(".py")[0] + ".py")
    shown = printed("\n".join(lines), file.read_bytes()) if file.is_file() else None
    at = [k for k, line in enumerate(lines) if line.startswith(SEEN)]
    if shown is None or len(shown) != len(at):
        return lines
    fresh = [SEEN + told if (told := run.told(value)) else lines[k] for k, value in zip(at, shown, strict=True)]
    if fresh == [lines[k] for k in at]:
        return lines
    for k, line in zip(at, fresh, strict=True):
        lines[k] = line
    return [*lines, REMEMBERS]


def _looks(run: BackpropRun, name: str) -> list[str]:
    """Return the lines that ask for the gradients of every batch, each with what was seen and expected."""
    lines = list[str]()
    for t in range(len(run.case.batches)):
        call = f"{name}({', '.join(['params', *map(_array, run.data(t))])})"
        try:
            seen = told_of(run.names, run.stated_gradients(t))
            lines += [f"found = {run.gradients_in.format(call)}", "print(found)", f"{SEEN}{seen}"]
            lines.append(f"# expected: {told_of(run.names, run.gradients(run.weights(), t))}")
        except SubjectCrash as crash:
            return [*lines, call, f"{CRASHED}{on_one_line(crash)}"]
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
            return [*lines, call, f"{CRASHED}{on_one_line(crash)}"]
        lines += [call if run.expression is None else f"params = {run.expression.format(call)}", "print(params)"]
        lines += [f"{SEEN}{told_of(run.names, run.weights())}", f"# expected: {told_of(run.names, expected)}"]
        if _is_wrong(run, before, expected, t):
            break
    return lines


def _is_wrong(run: BackpropRun, before: Sequence[Array], expected: Sequence[Array], t: int) -> bool:
    bounds = zip(run.weights(), expected, run.allowed(before, t), strict=True)
    return not all((np.abs(seen - wanted) <= bound).all() for seen, wanted, bound in bounds)


def _array(values: Any) -> str:
    return f"np.array({np.asarray(values).tolist()})" if np.ndim(values) else repr(np.asarray(values).item())


def _is_importable(function: Any) -> bool:
    return "<" not in getattr(function, "__qualname__", "<")


def _import_lines(spec: str) -> list[str]:
    """Return the lines that import what a subject string names; nothing imports the cells of a notebook."""
    file = spec.partition(":")[0]
    return [f"# in a cell below those of {file}:"] if file.endswith(NOTEBOOK) else script_lines.import_lines(spec)


def _import_of(function: Any, spec: str, asked: str) -> list[str]:
    """Return the lines that import a function from where it is defined, or from the subject that holds it."""
    if is_whole_file(spec):
        return _import_lines(f"{spec}:{asked}")
    if not _is_importable(function):
        return _import_lines(spec) if spec else [f"# from your own code: {asked}"]
    module, code = str(function.__module__), getattr(function, "__code__", None)
    where = code.co_filename if code is not None and module.startswith(LOADED) else module
    return _import_lines(f"{where}:{function.__qualname__}")


def _name_of(function: Any, spec: str, asked: str) -> str:
    if is_whole_file(spec):
        return asked
    if _is_importable(function):
        return str(function.__qualname__)
    return f"{spec.rpartition(':')[2]}.{asked}" if spec else asked
