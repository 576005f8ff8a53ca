"""What a survey finds in a module or a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.survey.discovery import accepted, optimizers_in, surveyed
from tests.survey import optimizers

HERE = "tests.survey.optimizers"


def test_a_module_has_its_public_optimizers() -> None:
    assert list(optimizers_in(HERE)) == ["Dies", "Gathers", "Greedy", "Hangs", "Needs", "Poisons", "Right", "Wrong"]
    assert "Optimizer" not in optimizers_in("torch.optim")


def test_two_names_of_one_class_are_one_row_with_its_own_name() -> None:
    assert optimizers.Same is optimizers.Right
    assert optimizers_in(f"{HERE}:twice") == {"Right": optimizers.Right, "wrong": optimizers.Wrong}


IMPORTING = """
from torch.optim import SGD, Adam
from tests.survey.optimizers import Right
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("class Own(SGD): ...", ["Own"]),
        ("class Own(SGD): ...\n__all__ = ['Adam']", ["Adam", "Own"]),
        ("", ["Adam", "Right", "SGD"]),
    ],
)
def test_what_a_file_imports_for_its_own_use_is_not_its_own(tmp_path: Path, more: str, expected: list[str]) -> None:
    (tmp_path / "mine.py").write_text(IMPORTING + more)
    assert list(optimizers_in(f"{tmp_path}/mine.py")) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [("registry", {"Right": optimizers.Right, "Wrong": optimizers.Wrong}), ("mapping", {"plain": optimizers.Right})],
)
def test_a_registry_names_them(function: str, expected: dict[str, object]) -> None:
    assert optimizers_in(f"{HERE}:{function}") == expected


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tests.survey", "tests.survey has no optimizers: no public subclass of torch.optim.Optimizer"),
        ("torch.optin", "no module is named 'torch.optin'"),
        (f"{HERE}:numbers", "names 1, which its module does not have"),
        (f"{HERE}:HERE", "has no 'HERE'"),
        (f"{HERE}:Right", f"{HERE}:Right is an optimizer, and no function that returns several: gdprops check {HERE}:"),
        ("no.py", "no such file: no.py"),
        ("math:tau", "math:tau is a float; expected a function that returns optimizers"),
        ("sys:getrecursionlimit", "returned an int; expected classes, names, or a mapping"),
    ],
)
def test_where_there_is_nothing_one_line_says_so(where: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        optimizers_in(where)


def test_hyperparameters_go_where_they_are_taken_and_a_needed_rate_is_given() -> None:
    assert accepted(optimizers.Right, {"momentum": 0.9}) == {"lr": 1e-3}
    assert accepted(optimizers.Right, {"lr": 0.5, "momentum": 0.9}) == {"lr": 0.5}


def test_a_surveyed_optimizer_is_named_as_check_names_it() -> None:
    assert surveyed(HERE, "Right", {"lr": 0.5}).name == f"{HERE}:Right(lr=0.5)"
    assert surveyed(f"{HERE}:mapping", "plain", {"lr": 0.5}).name == f"{HERE}:mapping:plain(lr=0.5)"


def test_what_cannot_be_built_says_why() -> None:
    with pytest.raises(UsageError, match=r"cannot be built: TypeError: .*base"):
        surveyed(HERE, "Needs", {})
