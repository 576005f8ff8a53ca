"""Distributed steps through the doors: a file and a name, the command's options, replays and printed scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import gdprops
from gdprops.cli import cli
from gdprops.kinds import kind_of
from gdprops.kinds.kind import Asked
from gdprops.kinds.resolve import resolve
from gdprops.model.verdict import Status
from tests.subjects.distributed_step.steps import averaged

pytestmark = [
    pytest.mark.usefixtures("ranks"),
    pytest.mark.xdist_group("ranks"),
    pytest.mark.no_cover,
    pytest.mark.daily,
]

TRAIN = """
import gdprops, torch, torch.distributed as dist

def build(model, loss_fn, rank, world):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    def step(inputs, targets):
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            if p.grad is not None:
                dist.all_reduce(p.grad)
                {average}
        optimizer.step()
    return step, optimizer

bound = gdprops.distributed_step(build, world=(2, 4))
"""
RIGHT, WRONG = "p.grad /= world", "pass"


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "train.py"


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [*arguments, "--examples", "12", "--seed", "0"])
    return done.exit_code, done.output


def test_another_number_of_ranks_must_fill_the_declared_mesh() -> None:
    found = gdprops.distributed_step(averaged, world=2, layouts={"tensor": 2})
    kind = kind_of(found)
    other = kind.rebound(found, Asked("train.py:bound", {"world": 4}, None, {}))
    assert other.domain.mesh_of(4) == (("data", 2), ("tensor", 2))
    with pytest.raises(gdprops.UsageError, match="is no mesh of 3 ranks; say world=…, or other sizes"):
        kind.rebound(found, Asked("train.py:bound", {"world": 3}, None, {}))


def test_a_file_and_a_number_of_ranks_are_enough(train: Path) -> None:
    train.write_text(TRAIN.format(average=RIGHT))
    code, said = run("check", "train.py:build", "--as", "distributed-step", "--world", "2", "-v")
    assert code == 0, said
    assert "PASSED  train.py:build(world=2): 5 clauses held" in said
    assert "distributed.equals-single" in said


def test_a_bound_subject_may_run_on_another_world(train: Path) -> None:
    train.write_text(TRAIN.format(average=RIGHT))
    subject = resolve("train.py:bound", hyperparameters={"world": 2})
    assert subject.identity.key.endswith("world: [2]}")
    assert resolve("train.py:bound").identity.key.endswith("world: [2, 4]}")


def test_a_wrong_step_is_explained_printed_and_replayed(train: Path) -> None:
    train.write_text(TRAIN.format(average=WRONG))
    subject = resolve("train.py:build", kind="distributed-step", hyperparameters={"world": 2})
    report = gdprops.check(subject, "distributed.equals-single", examples=5, seed=0)
    (verdict,) = report.violations
    assert verdict.explanation == "the gradients of the 2 ranks are added, and not averaged"
    assert [note.sentence for note in verdict.places] == ["all_reduce is issued here (train.py:11)"]
    assert verdict.counterexample is not None
    script = verdict.counterexample.python
    assert verdict.counterexample.doubt == ""
    assert re.search(r"expected, world = 0\.5, 2$", script, re.MULTILINE)
    assert script.rstrip().endswith("assert all(seen[rank] == expected for rank in seen), seen")
    assert "torch.nn.Linear(1, 1, bias=False" in script
    assert verdict.counterexample.path is not None
    again = gdprops.replay(verdict.counterexample.path)
    assert again["distributed.equals-single"].status is Status.VIOLATED


def test_traits_tell_how_parameters_lie_on_the_ranks(train: Path) -> None:
    train.write_text(TRAIN.format(average=RIGHT))
    done = CliRunner().invoke(cli, ["traits", "train.py:build", "--as", "distributed-step", "--world", "2"])
    assert done.exit_code == 0, done.output
    assert "on 2 ranks every parameter is replicated" in done.output
    assert "build leaves unequal weights as they are" in done.output
    assert "when a forward pass begins, the buffers of each rank are its own" in done.output
