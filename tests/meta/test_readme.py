"""The README tells the truth: its commands, its table of clauses, and its Python."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner

import gdprops
from gdprops.clauses import catalogue
from gdprops.cli import cli
from gdprops.report.specification import markdown_table

README = Path(__file__).parent.parent.parent / "README.md"
TABLE = re.compile(r"(<!-- clauses: begin .*? -->\n).*?(<!-- clauses: end -->)", re.DOTALL)


def readme() -> str:
    return README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme(), re.DOTALL)


def commands() -> list[str]:
    """Return the two commands: what `.ci/run` runs too."""
    return [block.strip() for block in blocks("sh")[:2]]


def with_table(text: str) -> str:
    """Return the README with the table made from the catalogue."""
    return TABLE.sub(lambda found: f"{found[1]}\n{markdown_table(catalogue())}\n\n{found[2]}", text)


def test_there_are_two_commands_of_one_line_each() -> None:
    install, test = commands()
    assert "\n" not in install + test
    assert install.endswith("gdprops check torch.optim:SGD -p lr=0.1 --rule sgd")
    assert '"torch==2.13.0" -e ".[test]"' in install
    assert test == ".venv/bin/python -m pytest -n auto --cov"


def test_the_table_of_clauses_is_the_catalogue() -> None:
    assert readme() == with_table(readme()), "run: .venv/bin/python -m tests.meta.test_readme"


def test_the_table_test_can_fail() -> None:
    assert "| clause |" in with_table("<!-- clauses: begin x -->\nold\n<!-- clauses: end -->")


def test_the_training_step_shown_is_explained_as_it_says() -> None:
    (shown,) = [block for block in blocks("python") if "def build(" in block]
    assert len(shown.strip().splitlines()) <= 10
    said = re.search(r"# (the gradient .*)", shown)
    assert said is not None
    names: dict[str, Any] = {"gdprops": gdprops, "torch": torch}
    exec(compile(shown, "README.md", "exec"), names)
    assert [v.explanation for v in names["report"].violations][:1] == [said[1]]


def test_the_network_of_ones_own_that_is_shown_holds() -> None:
    (shown,) = [block for block in blocks("python") if "models=Net" in block]
    assert len(shown.strip().splitlines()) <= 10
    labels, tokens = torch.tensor([0, 1, 1, 0]), torch.tensor([[0, 1], [1, 2], [2, 2], [0, 0]])

    def net() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Embedding(3, 2), torch.nn.Flatten(), torch.nn.Linear(4, 2))

    names: dict[str, Any] = {"gdprops": gdprops, "torch": torch, "Net": net}
    exec(compile(shown, "README.md", "exec"), {**names, "batch_of": lambda index: (tokens + index % 1, labels)}, names)
    assert gdprops.check(names["own"], clauses="step.simultaneous", examples=10, seed=0).ok


def test_every_command_shown_exists_with_its_options() -> None:
    for line in blocks("sh")[2].splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "gdprops"
        command = cli.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0


def test_the_python_parses() -> None:
    for block in blocks("python"):
        ast.parse(block)


def test_nothing_is_said_about_a_machine() -> None:
    assert "/tmp" not in readme()
    assert "/home" not in readme()


if __name__ == "__main__":
    README.write_text(with_table(readme()), encoding="utf-8")
