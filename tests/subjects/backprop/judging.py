"""A student's file as a test writes it: the source, what is said of it, and the lines that are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from gdprops.kinds.resolve import resolve
from gdprops.model import exit_codes
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.as_written.best_reading import chosen, tried
from gdprops.subjects.backprop.as_written.function_reading import function_readings
from gdprops.subjects.backprop.as_written.layer_classes import layer_classes
from gdprops.subjects.backprop.as_written.layers import layer_reading
from gdprops.subjects.backprop.as_written.of_file import defined_in
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.readings_of_class import readings_of_class
from gdprops.subjects.backprop.as_written.script_loop import loop_readings
from gdprops.subjects.user_code.definitions import Definitions

CLAUSES = ("step.plain", "step.moves-all", "step.fresh-gradient", "gradient.matches-loss")
SAID = {exit_codes.OK: "right", exit_codes.VIOLATED: "wrong", exit_codes.UNDECIDED: "no verdict"}


def wrongly_moved(
    folder: Path, code: str, name: str = "", readings: Callable[[Definitions], Iterable[Reading]] = loop_readings
) -> set[str]:
    """Return which parameters of a class move otherwise than its loss says; nothing is drawn or shrunk for it.

    ``name``: the class; empty for what ``readings`` finds: the training loop of the file's script, or what is asked.
    """
    file = folder / "wrong.py"
    file.write_text("import numpy as np\n" + dedent(code), encoding="utf-8")
    definitions = defined_in(str(file))
    every = readings_of_class(definitions.own[name], {}, definitions) if name else readings(definitions)
    found, said = tried(every)
    assert found, said
    fit = chosen(found).fit
    assert fit is not None
    return set(fit.names) - fit.right


def of_functions(definitions: Definitions) -> Iterable[Reading]:
    """Return the readings of the functions of a file."""
    return function_readings(definitions.own)


def of_layers(definitions: Definitions) -> Iterable[Reading]:
    """Return the reading of the layers of a file."""
    found, left_out = layer_reading(layer_classes(definitions.own), {})
    assert found is not None, left_out
    return [found]


class Judged(NamedTuple):
    """What is said of a file: right, wrong or no verdict; why; the lines; how it was read."""

    verdict: str
    told: str
    lines: tuple[int | None, ...]
    notes: str


def judged(folder: Path, code: str, *, name: str = "net.py", examples: int = 8, **given: object) -> Judged:
    """Return what is said of a file. Raises `UsageError` where it is refused."""
    file = folder / name
    text = dedent(code) if name.endswith(".ipynb") else "import numpy as np\n" + dedent(code)
    file.write_text(text, encoding="utf-8")
    subject = resolve(str(file), hyperparameters=given)
    outcome = check_subject(subject, clauses=CLAUSES, settings=Settings(seed=0, examples=examples))
    wrong = [v for v in outcome.verdicts if v.status is Status.VIOLATED]
    first = next((v for v in wrong if v.places), wrong[0] if wrong else None)
    return Judged(
        SAID.get(outcome.exit_code, str(outcome.exit_code)),
        "" if first is None else first.explanation or first.reason,
        () if first is None else tuple(place.line for place in first.places),
        "; ".join(note.text for note in outcome.notes),
    )
