"""Every block of the documentation is run, compared with what its page says, or left out for a reason that it gives."""

from __future__ import annotations

import ast
import configparser
import contextlib
import io
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gdprops.cli import cli, main
from tests.docs.page_blocks import PAGES, ROOT, Block, blocks_of, says

PATHS = sorted(PAGES.rglob("*.md"))
SHOWN_ONLY = {"cpp", "rust", "json"}
"""Languages of included files, which tests of their own run or read."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(PAGES))


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_what_a_page_shows_happens(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for block in blocks_of(text_of(path)):
        if block.not_run or block.language in SHOWN_ONLY:
            continue
        if block.language == "text":
            missing = says(printed, block.text)
            assert missing is None, f"{name_of(path)} shows {missing!r}; printed was:\n{printed}"
            continue
        printed = done(block, names)


def done(block: Block, names: dict[str, Any]) -> str:
    """Do what a block says, and return what it prints."""
    if block.language == "sh":
        return typed(block)
    if block.title and block.language == "python":
        Path(block.title).write_text(block.text, encoding="utf-8")
        here = str(Path.cwd())
        for name in [n for n, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(here)]:
            del sys.modules[name]  # a page mends a file and checks it again, which a person does in a new process
        return ""
    if block.language == "python":
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                exec(compile(block.text, "page", "exec"), names)
            except Exception as error:
                if type(error).__name__ != block.raises:
                    raise
                return str(error)
        assert not block.raises, "it ends well"
        return out.getvalue()
    PARSERS[block.language](block.text)
    return ""


def yaml_of(text: str) -> Any:
    yaml = pytest.importorskip("yaml", reason="the extra `test` is not installed")
    return yaml.safe_load(text)


PARSERS: dict[str, Callable[[str], Any]] = {
    "toml": tomllib.loads,
    "ini": lambda text: configparser.ConfigParser().read_string(text),
    "yaml": yaml_of,
}


def typed(block: Block) -> str:
    """Type the commands of a block; the last one ends as the page says, all others well."""
    out = io.StringIO()
    lines = block.text.strip().splitlines()
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "gdprops", f"{line!r} is no command of gdprops: say why it is not run"
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(words[1:])
        expected = block.exit_code if line is lines[-1] else 0
        assert code == expected, f"{line}: {code}, not {expected}\n{out.getvalue()}{err.getvalue()}"
    return out.getvalue()


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_commands_exist_with_their_options_also_where_they_are_not_run(path: Path) -> None:
    for block in blocks_of(text_of(path)):
        for line in block.text.splitlines() if block.language == "sh" else ():
            words = shlex.split(line, comments=True)
            if words[:1] == ["gdprops"]:
                known = {option for p in cli.commands[words[1]].params for option in p.opts}
                assert {w.partition("=")[0] for w in words if w.startswith("-") and not w.startswith("-1")} <= known, (
                    line
                )


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_links_lead_to_pages_and_pictures(path: Path) -> None:
    from gdprops.clauses import catalogue

    made = {f"specification/{clause.id}.md" for clause in catalogue()}
    made |= {"specification/index.md", "specification/words.md", "reference/commands.md", "changelog.md"}
    for target in re.findall(r"\]\(([^)#]+)", re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL)):
        if not target.startswith("https://"):
            found = Path(os.path.normpath(path.parent / target))
            assert found.exists() or str(found.relative_to(PAGES)) in made, f"{name_of(path)} links to {target}"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", text_of(ROOT / "docs" / "mkdocs.yml")))
    assert {name_of(path) for path in PATHS} <= listed


def test_nothing_is_said_about_a_machine_or_loaded_from_elsewhere() -> None:
    for path in PATHS:
        assert not re.search(r"/tmp/|/home/|/work/", text_of(path)), name_of(path)
    assert "font: false" in text_of(ROOT / "docs" / "mkdocs.yml")


def test_pages_are_read_as_they_are_written() -> None:
    page = (
        '<!-- exit 1 -->\n```sh\ngdprops x\n```\n\n```text\na\n…\nc 1 (…)\n```\n\n```python title="f.py"\npass\n```\n'
    )
    first, second, third = blocks_of(page)
    assert (first.language, first.exit_code, third.title) == ("sh", 1, "f.py")
    assert says("a\nb\nb\nc 1 (2 s)\n", second.text) is None
    assert says("a\nc 2\n", second.text) == "c 1 (…)"
    assert says("a\nc 1 (2 s)\nd\n", second.text) == "d"
    assert ast.literal_eval(json.dumps(blocks_of("<!-- not run: it installs -->\n```sh\npip\n```\n")[0].not_run))
