"""What a student is told of a wrong file: nothing that is wrong in another example is called right."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from gdprops.model.evidence import Compared
from gdprops.report.student_text import print_student
from tests.report.verdicts import outcome, violated


def _said(explanation: str, wrong: str) -> str:
    names = ("W1", "W2", "b1", "b2")
    compared = tuple(Compared(name, (1,), name == wrong) for name in names)
    console = Console(file=StringIO(), width=120)
    print_student(console, outcome(violated(blame=(wrong,), explanation=explanation, compared=compared)))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("explanation", "wrong", "right"),
    [
        ("b1, b2: every entry moved by the sum of all entries' gradients", "b2", "W1, W2"),
        ("b1: summed over everything; b2: not moved", "b2", "W1, W2"),
        ("the step uses the already updated weights of the next layer, W2: put off, it is right", "W1", "W2, b1, b2"),
        ("W1: not moved", "W1", "W2, b1, b2"),
    ],
)
def test_everything_else_leaves_out_what_is_said_to_be_wrong(explanation: str, wrong: str, right: str) -> None:
    assert f"everything else is right: {right}\n" in _said(explanation, wrong)
