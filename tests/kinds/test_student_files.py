"""What a student is told of a file that cannot be checked as it stands: one line, and never a traceback of ours."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code.calling import allowing

NETWORK = """
import numpy as np
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W = np.random.randn(n_in, n_out)
    def forward(self, X):
        return X @ self.W
    def train(self, X, y, lr):
        self.W -= lr * X.T @ (X @ self.W - y)
"""


def told_of(folder: Path, code: str, name: str = "net.py") -> str:
    """Return the one line that is told of a file."""
    (folder / name).write_text(dedent(code))
    with pytest.raises(UsageError) as raised:
        resolve(str(folder / name))
    return str(raised.value).replace(f"{folder}/", "")


NEXT = "; where an object needs more, make it in the file, def build(): return ..., and run the same command again"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            NETWORK.replace("return X @", "print 'a'; return X @"),
            "net.py: this is Python 2 (print without parentheses, line 7)",
        ),
        (NETWORK.replace("np.random", "nq.random"), "Net cannot be made: NameError: name 'nq' is not defined"),
        (
            NETWORK.replace("n_in, n_hidden, n_out", "config").replace("n_in, n_out", "*config['kernel']"),
            "Net(config) cannot be made with sizes such as (3, 4, 2), [3, 4, 2] or (X, y): "
            "say what it takes with -p, for instance -p sizes=[3,4,2]",
        ),
        (
            NETWORK.replace("return X @ self.W", "return helper(X @ self.W)").replace(
                "import numpy as np", "import numpy as np\nfrom own_utils import helper"
            ),
            "net.py:Net: no way was found to ask it for its output and to train it (it raised ImportError: helper is "
            "used, and could not be imported (ModuleNotFoundError: No module named 'own_utils'), line 8)",
        ),
        (
            NETWORK.replace("self.W -= lr", "self.optimizer.step(); self.W -= lr"),
            "net.py:Net: no way was found to ask it for its output and to train it (it raised AttributeError: "
            "'Net' object has no attribute 'optimizer', line 9)",
        ),
    ],
    ids=[
        "Python 2",
        "an unknown name",
        "an unknown argument",
        "a helper that is missing",
        "an attribute that is missing",
    ],
)
def test_why_a_file_cannot_be_checked(tmp_path: Path, code: str, said: str) -> None:
    assert told_of(tmp_path, code).replace("net.py, line", "line").removesuffix(NEXT) == said


def test_a_call_that_does_not_end_is_ended(tmp_path: Path) -> None:
    code = NETWORK.replace("return X @ self.W", "while True: pass")
    with allowing(0.2):
        assert told_of(tmp_path, code).endswith(
            "no way was found to ask it for its output and to train it within 0.2 s: a call of its code does not end"
        )


def test_code_that_ends_the_program_is_only_tried(tmp_path: Path) -> None:
    code = NETWORK.replace("self.W = np", "exit()\n        self.W = np")
    assert told_of(tmp_path, code).startswith("Net(n_in, n_hidden, n_out) cannot be made")


def notebook(folder: Path, *cells: str) -> Any:
    """Return the subject of a notebook with these cells."""
    file = folder / "net.ipynb"
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    file.write_text(json.dumps({"cells": code, "nbformat": 4}))
    return resolve(str(file))


def test_cells_that_are_no_python_are_left_out_and_told(tmp_path: Path) -> None:
    subject = notebook(tmp_path, "%%bash\nls", "!pip install x\nimport numpy", " import math", "x = = 3", NETWORK)
    told = [note.text for note in subject.notes]
    assert (
        "not Python, and not run: cell 1 (%%bash), cell 2, line 1 (!pip), cell 4 (SyntaxError: invalid syntax)" in told
    )


def test_a_file_that_was_saved_from_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("%matplotlib inline\n" + NETWORK)
    subject: Any = resolve(str(tmp_path / "net.py"))
    assert "not Python, and not run: line 1 (%matplotlib)" in [note.text for note in subject.notes]


def test_parameters_that_are_declared_as_frozen(tmp_path: Path) -> None:
    code = NETWORK.replace("return X @ self.W", "return X @ self.W + self.b")
    code = code.replace("self.W = np", "self.b = np.zeros(n_out); self.W = np")
    (tmp_path / "net.py").write_text(code)
    subject: Any = resolve(str(tmp_path / "net.py"), hyperparameters={"frozen": "b"})
    assert any("b is declared as frozen" in note.text for note in subject.notes)
    assert subject.functions.container.keys == ("W",)
