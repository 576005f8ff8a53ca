"""``gdprops check FILE`` and ``gdprops check FOLDER`` without a word on what is there: what is printed and written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from gdprops.cli import main

RIGHT = """
import numpy as np
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.W2 = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)
    def forward(self, X):
        self.h = np.tanh(X @ self.W1)
        return self.h @ self.W2
    def train(self, X, y, lr=0.1):
        d = self.forward(X) - y
        dh = d @ self.W2.T * (1 - self.h ** 2)
        self.W2 -= lr * self.h.T @ d
        self.W1 -= lr * X.T @ dh
net = Net(2, 3, 1)
for _ in range(10 ** 9):
    net.train(np.load("data.npy"), 0)
"""
WRONG = RIGHT.replace("        dh = d @ self.W2.T * (1 - self.h ** 2)\n", "").replace(
    "        self.W1 -=", "        dh = d @ self.W2.T * (1 - self.h ** 2)\n        self.W1 -="
)
FEW = ("--examples", "5", "--seed", "0", "--clauses", "step.plain")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_right_file_says_so_on_one_screen(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "network.py").write_text(RIGHT)
    assert main(["check", "network.py", *FEW]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("network.py: right every step is plain gradient descent (1 clause held)")
    assert "read as: rows are samples; forward(X); train(X, y, lr)" in said
    assert "no loss is declared: half the squared error, summed, fits every parameter" in said
    assert "lines 14-16 were not run: the script itself" in said
    assert "vacuous" not in said
    assert "does not apply" not in said


def test_a_wrong_file_gets_the_sentence_the_lines_and_a_case(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "network.py").write_text(WRONG)
    assert main(["check", "network.py", *FEW, "--json", "out.json"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("network.py: wrong the step uses the already updated weights of the next layer, W2")
    assert "W2 is written in line 11 and read again in line 12" in said
    assert "11 | self.W2 -= lr * self.h.T @ d" in said
    assert "everything else is right: W2" in said
    assert "net.train(X, y, 0.5)" in said
    (verdict,) = json.loads((here / "out.json").read_text())["verdicts"]
    assert [(place["file"], place["line"]) for place in verdict["places"]] == [("network.py", 11), ("network.py", 12)]


def test_a_folder_is_a_table_and_a_gradebook(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "homework"
    folder.mkdir()
    (folder / "anna.py").write_text(RIGHT)
    (folder / "bert.py").write_text(WRONG.replace("import numpy", "from helper import nothing\nimport numpy"))
    (folder / "helper.py").write_text("def nothing(): pass\n")
    (folder / "carl.py").write_text("print 'hello'\n")
    (folder / "dora.py").write_text("")
    (folder / "plots.py").write_text("import anna\nprint(anna.Net)\n")
    assert main(["check", "homework", *FEW, "--csv", "grades.csv"]) == 1
    rows = list(csv.reader((here / "grades.csv").read_text().splitlines()))
    assert rows[0] == ["file", "verdict", "sentence", "line"]
    assert [(row[0], row[1], row[3]) for row in rows[1:]] == [
        ("homework/anna.py", "right", ""),
        ("homework/bert.py", "wrong", "12"),
        ("homework/carl.py", "not checked", ""),
        ("homework/dora.py", "not checked", ""),
    ]
    assert rows[3][2] == "this is Python 2 (print without parentheses, line 1)"
    assert rows[4][2].startswith("homework/dora.py defines no function and no class")
    assert "4 subjects" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print 'a'\n", "network.py: this is Python 2 (print without parentheses, line 1)"),
        ("x = 1\n", "network.py defines no function and no class; to make it checkable, write loss(params, X, y)"),
        ("def area(r): return r\n", "network.py defines nothing that is known to train: area; to make it checkable"),
        (
            "class Net:\n    def __init__(self, config): self.W = config['W']\n"
            "    def forward(self, X): return X\n    def train(self, X, y): pass\n",
            "Net(config) cannot be made with sizes such as (3, 4, 2), [3, 4, 2] or (X, y): say what it takes with -p",
        ),
        (
            RIGHT + RIGHT.replace("class Net", "class Other").split("net = ")[0].replace("import numpy as np\n", ""),
            "network.py holds 2 things to check, say which: gdprops check network.py:Net (a network); "
            "gdprops check network.py:Other (a network)",
        ),
    ],
    ids=["Python 2", "nothing", "nothing that trains", "constructor", "two"],
)
def test_what_cannot_be_checked_is_told_in_one_line(
    here: Path, code: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "network.py").write_text(code)
    assert main(["check", "network.py"]) == 2
    assert told in capsys.readouterr().err


def test_a_loss_that_nobody_knows_is_no_verdict(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "network.py").write_text(
        RIGHT.replace("d = self.forward(X) - y", "d = np.sign(self.forward(X) - y) ** 3 * 0.3")
    )
    assert main(["check", "network.py", *FEW]) == 5
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("network.py: no verdict none of the losses that were tried")
    assert "declare the loss as a function loss(params, X, y)" in said


def test_functions_in_the_cells_of_a_notebook(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        "import numpy as np\nshapes = {'W': (2, 1)}",
        "def loss(p, X, y):\n    return 0.5 * np.sum((X @ p['W'] - y) ** 2)",
        "def step(p, X, y, lr):\n    p['W'] -= 2 * lr * X.T @ (X @ p['W'] - y)",
        "%matplotlib inline\nfor epoch in range(10**9):\n    step(p, X, y, 0.1)",
    ]
    coded = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    (here / "homework.ipynb").write_text(json.dumps({"cells": coded, "nbformat": 4, "metadata": {}}))
    assert main(["check", "homework.ipynb", *FEW]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "instead the same update is applied twice" in said
    assert "# in a cell below those of homework.ipynb: params = {'W': np.array([[" in said


def test_a_notebook_that_is_none(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "homework.ipynb").write_text("no JSON")
    assert main(["check", "homework.ipynb"]) == 2
    assert "homework.ipynb is no notebook: Expecting value" in capsys.readouterr().err
