"""Recipes for projects: the table, the workflow, the tox environment and the hook say what gdprops understands."""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gdprops.plugin import pytest_addoption
from gdprops.runner.project.configuration import KEYS, read
from gdprops.runner.project.tool_files import CALLER, PRE_COMMIT, TOX, workflow_text
from tests.docs.page_blocks import PAGES, blocks_of
from tests.meta.test_readme import blocks

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "gdprops.yml"


def options() -> set[str]:
    """Return the options of the pytest plugin."""
    parser = pytest.Parser(_ispytest=True)
    pytest_addoption(parser)
    return {name for option in parser.getgroup("gdprops").options for name in option.names()}


def shown_in_ci(language: str) -> list[str]:
    """Return the blocks of a language on the page about CI."""
    page = (PAGES / "how-to" / "ci.md").read_text(encoding="utf-8")
    return [block.text for block in blocks_of(page) if block.language == language]


def used_in(command: str) -> set[str]:
    return {word for word in shlex.split(command) if word.startswith("--gdprops")}


def test_the_table_shown_is_understood() -> None:
    (shown,) = blocks("toml")
    assert len([line for line in shown.splitlines() if line.strip()]) == 5
    found = read(tomllib.loads(shown)["tool"]["gdprops"], ROOT)
    assert [(s.name, s.kind) for s in found.subjects] == [("mysgd", None), ("train", "training-step")]
    reference = (PAGES / "reference" / "configuration.md").read_text(encoding="utf-8")
    keys = reference.partition("## Profiles")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", keys, re.MULTILINE) == list(KEYS)


def test_the_workflow_is_one_and_uses_options_that_exist() -> None:
    yaml = pytest.importorskip("yaml", reason="the extra `test` is not installed")
    found: Any = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    inputs = found[True]["workflow_call"]["inputs"]  # YAML 1.1 reads `on` as true
    steps = found["jobs"]["specification"]["steps"]
    (command,) = [step["run"] for step in steps if "pytest" in step.get("run", "")]
    assert used_in(command) <= options()
    assert {"--gdprops", "--gdprops-profile", "--gdprops-shard", "--gdprops-json"} <= used_in(command)
    text = WORKFLOW.read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(inputs)
    assert workflow_text() == text, "gdprops/runner/project/workflow.yml is a copy of the workflow"
    (caller,) = shown_in_ci("yaml")
    called: Any = yaml.safe_load(caller)["jobs"]["gdprops"]
    assert yaml.safe_load(CALLER)["jobs"]["gdprops"] == called
    assert (ROOT / called["uses"]) == WORKFLOW
    assert set(called["with"]) <= set(inputs)


def test_the_tox_recipe_uses_options_that_exist() -> None:
    (recipe,) = shown_in_ci("ini")
    assert recipe == TOX
    parser = configparser.ConfigParser()
    parser.read_string(recipe)
    assert used_in(parser["testenv:gdprops"]["commands"]) <= options()


def test_the_hooks_use_options_that_exist() -> None:
    yaml = pytest.importorskip("yaml", reason="the extra `test` is not installed")
    (own,) = yaml.safe_load(PRE_COMMIT)["repos"][0]["hooks"]
    (offered,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    for hook in (own, offered):
        assert used_in(hook["entry"]) <= options()
        assert hook["pass_filenames"] is False
    assert own["entry"] == offered["entry"]
