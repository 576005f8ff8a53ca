"""The README tells the truth: its commands, its Python and its links. The rest of the documentation is in docs/."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import gdprops
from gdprops.cli import cli
from gdprops.faults.training_steps.actor_critic import ActorCritic, actor_loss, critic_loss, transitions

pytestmark = pytest.mark.daily

README = Path(__file__).parent.parent.parent / "README.md"
MOST_LINES = 150


STEP = """
    critic, actor = (torch.optim.SGD(getattr(model, name).parameters(), lr=0.1) for name in ("critic", "actor"))
    def step(inputs, targets):
        for optimizer, objective in [(critic, objectives[0])] * 5 + [(actor, objectives[1])]:
            optimizer.zero_grad(); objective(model, inputs, targets).backward(); optimizer.step()
"""
"""What the help leaves out: two optimizers, and a step that calls them by turns."""
README = Path(__file__).parent.parent.parent / "README.md"
TABLE = re.compile(r"(<!-- clauses: begin .*? -->\n).*?(<!-- clauses: end -->)", re.DOTALL)


def readme() -> str:
    return README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme(), re.DOTALL)


def commands() -> list[str]:
    """Return the two commands: what `.ci/run` runs too."""
    return [block.strip() for block in blocks("sh")[:2]]


def test_there_are_two_commands_of_one_line_each() -> None:
    install, test = commands()
    assert "\n" not in install + test
    assert install.endswith("gdprops check torch.optim:SGD -p lr=0.1 --rule sgd")
    assert '"torch==2.13.0" -e ".[test]"' in install
    assert test == ".venv/bin/python -m pytest -n auto --cov"


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert len(readme().splitlines()) <= MOST_LINES
    for target in re.findall(r"\]\(([^)#]+)\)", readme()):
        assert target.startswith("https://") or (README.parent / target).exists(), target


@pytest.mark.nightly
def test_the_training_step_shown_is_explained_as_it_says() -> None:
    (shown,) = [block for block in blocks("python") if "def build(" in block]
    assert len(shown.strip().splitlines()) <= 10
    said = re.search(r"# (the gradient .*)", shown)
    assert said is not None
    names: dict[str, Any] = {"gdprops": gdprops, "torch": torch}
    exec(compile(shown, "README.md", "exec"), names)
    assert [v.explanation for v in names["report"].violations][:1] == [said[1]]


def test_the_step_with_two_optimizers_in_the_help_holds() -> None:
    shown = str(CliRunner().invoke(cli.commands["check"], ["--help"]).output).partition("where train.py says\n")[2]
    lines = shown.partition("\n\n")[0].splitlines()
    assert len(lines) <= 10
    source = "\n".join(line[len(lines[0]) - len(lines[0].lstrip()) :] for line in lines)
    source = source.replace("    return", f"{STEP}    return")
    known = {"gdprops": gdprops, "torch": torch, "Duo": ActorCritic, "batch_of": transitions}
    names: dict[str, Any] = {**known, "critic_loss": critic_loss, "actor_loss": actor_loss}
    exec(compile(source, "train.py", "exec"), names)
    assert gdprops.check(names["duo"], clauses="step.phases", examples=3, seed=0).ok


def test_the_phases_shown_are_wrong_as_they_say() -> None:
    (shown,) = [block for block in blocks("python") if "phases=" in block]
    assert len(shown.strip().splitlines()) <= 10
    known = {"gdprops": gdprops, "torch": torch, "Duo": ActorCritic, "batch_of": transitions}
    names: dict[str, Any] = {**known, "critic_loss": critic_loss, "actor_loss": actor_loss}
    exec(compile(shown, "README.md", "exec"), names)
    (violation,) = gdprops.check(names["duo"], clauses="step.phases", examples=3, seed=0).violations
    assert "applies, beside its own gradient, what actor's backward (" in violation.reason


def test_the_update_rule_shown_is_wrong_as_it_says() -> None:
    (shown,) = [block for block in blocks("python") if "update_rule(" in block]
    assert len(shown.strip().splitlines()) <= 10
    said = re.search(r"# (optimizer\.\S+)", shown)
    assert said is not None
    names: dict[str, Any] = {"gdprops": gdprops}
    exec(compile(shown, "README.md", "exec"), names)
    assert [verdict.clause for verdict in names["report"].violations] == [said[1]]


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
