"""One survey on two processes, which one process and Ray are compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.cli import main
from tests.survey.surveys import HERE, QUICK


@pytest.fixture(scope="session")
def registry_on_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("survey") / "two.json"
    assert main(["survey", f"{HERE}:registry", *QUICK, "--json", str(path), "-n", "2", "-q"]) == 1
    return path
