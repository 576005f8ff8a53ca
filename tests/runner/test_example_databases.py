"""A database that machines share: what one finds the next one replays; a server that is down costs a warning."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, InMemoryExampleDatabase

pytest.importorskip("redis", reason="the extra `redis` is not installed")

from gdprops.errors import UsageError
from gdprops.runner import example_databases
from gdprops.runner.example_databases import Shared, database_at, require_server

has_server = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs Debian's redis-server")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a Redis server on a free loopback port, with a password; stop it."""
    flags = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path),
        "--requirepass",
        "secret",
    ]
    with subprocess.Popen(["redis-server", *flags], stdout=subprocess.DEVNULL) as running:
        for _ in range(100):
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield running
        running.terminate()


def address(port: int) -> str:
    return f"redis://:secret@127.0.0.1:{port}"


@has_server
@pytest.mark.usefixtures("server")
def test_what_one_machine_saves_another_finds(port: int) -> None:
    one, other = (Shared(InMemoryExampleDatabase(), address(port)) for _ in range(2))
    one.save(b"key", b"value")
    assert set(other.fetch(b"key")) == {b"value"}
    other.delete(b"key", b"value")
    assert set(other.fetch(b"key")) == set()


@has_server
def test_a_server_that_goes_away_is_said_once_and_nothing_is_lost(
    server: subprocess.Popen[bytes], port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = Shared(InMemoryExampleDatabase(), address(port))
    shared.save(b"key", b"before")
    server.terminate()
    server.wait()
    for value in (b"after", b"later"):
        shared.save(b"key", value)
    assert set(shared.fetch(b"key")) == {b"before", b"after", b"later"}
    said = capsys.readouterr().err
    assert said.startswith(f"gdprops: warning: redis://127.0.0.1:{port} is not used (ConnectionError: ")
    assert said.endswith("failing examples are kept on this machine\n")
    assert said.count("\n") == 1
    assert "secret" not in said


def test_a_server_that_was_never_there_is_a_warning(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    shared = Shared(InMemoryExampleDatabase(), address(port))
    shared.save(b"key", b"value")
    assert set(shared.fetch(b"key")) == {b"value"}
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port} is not used (ConnectionError" in said
    assert "secret" not in said


def test_a_database_is_made_once_per_process(tmp_path: Path) -> None:
    found = database_at(str(tmp_path))
    assert found is database_at(str(tmp_path))
    assert isinstance(found, DirectoryBasedExampleDatabase)


def test_what_is_no_server_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"^share='http://host'; expected the address of a Redis server, redis://HOST:PORT$"
    with pytest.raises(UsageError, match=message):
        require_server("http://me:secret@host")
    none: Any = lambda name: None  # noqa: E731 - stands for a function of the standard library
    monkeypatch.setattr("importlib.util.find_spec", none)
    with pytest.raises(UsageError, match=r"^share needs redis: pip install 'gdprops\[redis\]'$"):
        require_server("redis://localhost")
    assert example_databases.SECONDS <= 2


SUBJECT = """
import torch

class Mine(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"] / (1 if p.numel() < 6 else 2))
"""


@has_server
@pytest.mark.usefixtures("server")
def test_a_failure_found_on_one_machine_is_replayed_first_on_the_next(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only large tensors are moved wrongly: a single example, the simplest one, does not show it."""
    from gdprops.cli import main

    def check(machine: str, *flags: str) -> int:
        folder = tmp_path / machine
        folder.mkdir()
        (folder / "broken.py").write_text(SUBJECT, encoding="utf-8")
        monkeypatch.chdir(folder)
        database_at.cache_clear()  # a process of its own
        chosen = ["-p", "lr=0.5", "--rule", "sgd", "--clauses", "step.plain", "--profile", "dev", "--json", "r.json"]
        code = main(["check", "broken.py:Mine", *chosen, *flags])
        assert "secret" not in (folder / "r.json").read_text(encoding="utf-8") + capsys.readouterr().out
        return code

    assert check("one", "--share", address(port)) == 1
    assert check("two", "--share", address(port), "--examples", "1") == 1
    assert check("alone", "--examples", "1") != 1
