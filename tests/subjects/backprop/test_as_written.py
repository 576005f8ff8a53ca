"""Files as students hand them in, in every form: what is right holds, what is wrong is found, and the reading is told.

The files stand in ``tests/samples/networks``. The first line of each says whether it is right, or wrong and in which
line, or whether nobody can tell without its loss.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gdprops.kinds.resolve import resolve
from gdprops.model import exit_codes
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings

NETWORKS = sorted((Path(__file__).parents[2] / "samples" / "networks").glob("*.*"))
CLAUSES = ("step.plain", "step.moves-all", "step.fresh-gradient", "gradient.matches-loss")
CODES = {"RIGHT": exit_codes.OK, "WRONG": exit_codes.VIOLATED, "ASK": exit_codes.UNDECIDED}
WITHOUT_A_LINE = (
    "class_accumulates",
    "class_neuron_objects_no_slope",
    "class_prediction_never_stored",
    "functions_tuples_bias_sum",
)
"""Whose line is not found: what is kept, lists of floats, what is never stored, gradients in a return statement."""


OFTEN = 4
"""Every so many files are checked in every run, the others at night: each takes seconds."""
EACH = [
    pytest.param(path, id=path.name, marks=[pytest.mark.nightly] * (number % OFTEN > 0))
    for number, path in enumerate(NETWORKS)
]


def test_layers_that_move_before_they_hand_their_error_on() -> None:
    path = next(path for path in NETWORKS if path.stem == "layers_with_inputs")
    outcome = check_subject(resolve(str(path)), clauses=CLAUSES[:1], settings=Settings(seed=0, examples=8))
    assert outcome.verdicts[0].explanation == (
        "Dense: backward hands its error on through the already updated weights, Dense.weights, Dense.biases"
    )


@pytest.mark.parametrize("path", EACH)
def test_a_file_is_judged_as_it_stands(path: Path) -> None:
    first = re.search(r"# (RIGHT|WRONG|ASK)([^:]*):", path.read_text(encoding="utf-8"))
    assert first is not None
    outcome = check_subject(resolve(str(path)), clauses=CLAUSES, settings=Settings(seed=0, examples=8))
    told = [(v.clause, v.status.value, v.explanation or v.reason, v.places) for v in outcome.verdicts]
    assert outcome.exit_code == CODES[first.group(1)], told
    assert any(note.text.startswith("read as: ") for note in outcome.notes)
    lines = {int(number) for number in re.findall(r"\d+", first.group(2))}
    if lines and path.stem not in WITHOUT_A_LINE:
        places = [place for v in outcome.verdicts if v.status is Status.VIOLATED for place in v.places]
        assert lines & {place.line for place in places}, told
