"""The processes of one machine tell the first one what they saw, by files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdprops.cli import main
from gdprops.model.rank_record import RankRecord
from gdprops.watching.ranks import Ranks, ranks_of

ENVIRONMENT = {"RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "29500"}


def test_torchruns_processes_are_known_by_its_variables() -> None:
    known = ranks_of(ENVIRONMENT)
    assert known is not None
    assert (known.rank, known.local, known.count, known.reports) == (5, 1, 2, False)
    assert known.folder.name == f"gdprops-watch-{os.getppid()}-29500"
    assert ranks_of({}) is None
    assert ranks_of({**ENVIRONMENT, "LOCAL_WORLD_SIZE": "1"}) is None
    assert ranks_of({**ENVIRONMENT, "RANK": "first"}) is None


def test_what_comes_is_received_once_and_what_does_not_come_is_not_waited_for_long(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    Ranks(1, 1, 3, folder).send(RankRecord(1, {"a": "x"}))
    first = Ranks(0, 0, 3, folder)
    assert first.receive(patience=0.1) == [RankRecord(1, {"a": "x"})]
    assert not folder.exists()
    assert first.receive(patience=0.0) == []


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shared").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: -1)
    with pytest.raises(PermissionError, match="shared belongs to somebody else"):
        Ranks(1, 1, 2, tmp_path / "shared").send(RankRecord(1))


SCRIPT = """\
import os, torch
torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
torch.manual_seed(int(os.environ["RANK"]) * {share})
for _ in range(3):
    {zero}
    model(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
"""


def as_ranks(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> list[int]:
    """Run a script as rank 1 and then as rank 0, and return the exit codes."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (folder / "train.py").write_text(script, encoding="utf-8")
    codes = []
    for rank in ("1", "0"):
        for name, value in {**ENVIRONMENT, "RANK": rank, "LOCAL_RANK": rank}.items():
            monkeypatch.setenv(name, value)
        codes.append(main(["watch", "train.py"]))
    return codes


def test_the_first_process_reports_what_the_other_has_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong_in_one = "optimizer.zero_grad() if os.environ['RANK'] == '0' else None"
    assert as_ranks(monkeypatch, tmp_path, SCRIPT.format(share=0, zero=wrong_in_one)) == [0, 1]
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("VIOLATED live.fresh-gradient") == 1
    assert "note: watched as well: rank 1" in said


def test_processes_that_drift_apart_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_ranks(monkeypatch, tmp_path, SCRIPT.format(share=1, zero="optimizer.zero_grad()")) == [0, 0]
    said = " ".join(capsys.readouterr().err.split())
    assert "after the step at train.py:9 ranks 0 and 1 have different weights in weight, bias: they were equal" in said


def test_a_process_that_tells_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gdprops.watching.ranks.Ranks.send", lambda *_: None)
    monkeypatch.setattr("gdprops.watching.ranks.Ranks.receive", lambda *_: [])
    assert as_ranks(monkeypatch, tmp_path, SCRIPT.format(share=0, zero="optimizer.zero_grad()")) == [0, 0]
    assert "note: 1 process of this machine told nothing\n" in capsys.readouterr().err


DISTRIBUTED = """\
import sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())
model = DistributedDataParallel(torch.nn.Linear(3, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    (model.module if "bad" in sys.argv else model)(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
    dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.nightly  # four processes that import torch
@pytest.mark.parametrize("argument", ["", "bad"])
def test_two_real_processes(tmp_path: Path, argument: str) -> None:
    (tmp_path / "train.py").write_text(DISTRIBUTED, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "-m", "gdprops", "watch", "train.py", *filter(None, [argument])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == (1 if argument else 0), done.stderr
    assert done.stderr.count("note: watched as well: rank 1\n") == 1
    drift = "ranks 0 and 1 have different weights in weight, bias: DistributedDataParallel keeps them equal"
    assert (drift in done.stderr) is bool(argument)
