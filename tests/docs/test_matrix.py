"""The matrix of the site: its data agree with each other, its scripts are short and plain, and its pages say them."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from gdprops.clauses import catalogue
from tests.docs.page_blocks import PAGES, ROOT

sys.path.insert(0, str(ROOT / "docs"))

from matrix import condense, run_scripts
from matrix.pages import TABLES, pages, violating
from matrix.records import HERE, Package, confirmed, packages, read_twice

AROUND = (PAGES / "matrix" / "index.md").read_text(encoding="utf-8")
EVERY = packages()
FINDINGS = [(package, finding) for package in EVERY for finding in package.findings]


def small(folder: Path, reading: str = "") -> Package:
    """Return a package of two classes, of which one violates a clause, with this reading of its source."""
    (folder / "results").mkdir()
    (folder / "readings").mkdir()
    results = {
        "package": "slow_steps",
        "version": "1.2",
        "module": "slow_steps",
        "how": {
            "gdprops": "1",
            "specification": 3,
            "torch": "2",
            "examples": 5,
            "seed": 0,
            "parameters": {"lr": "0.1"},
        },
        "clauses": {"optimizer.closure": "required", "optimizer.in-place": "recommended"},
        "implementations": [{"name": "Slow", "verdicts": "vv"}, {"name": "Broken", "unusable": "it | needs a model"}],
    }
    (folder / "results" / "slow_steps.json").write_text(json.dumps(results))
    (folder / "readings" / "slow_steps.toml").write_text(reading)
    (package,) = packages(folder)
    return package


def finding(script: str = "raise RuntimeError", second: str = "") -> str:
    return f"""
    [[finding]]
    name = "never-called"
    clauses = ["optimizer.closure"]
    classes = ["Slow"]
    title = "the closure is never called"
    does = "It steps at once."
    promised = "Its docstring."
    source = "slow_steps.py:3"
    code = "def step(self, closure=None):"
    script = '''{script}'''
    {second}
    """


def read_again(verdict: str, note: str) -> str:
    return f'second = "{verdict}"\n    second_note = "{note}"'


@pytest.mark.parametrize(("package", "found"), FINDINGS, ids=[f"{p.name}-{f.name}" for p, f in FINDINGS])
def test_a_finding_is_about_required_clauses_that_its_classes_violate(package: Package, found: Any) -> None:
    required = {clause.id for clause in catalogue() if clause.level == "required"}
    assert set(found.clauses) <= required
    rows = {each.name: each for each in package.implementations}
    for name in found.classes:
        if name in rows:
            assert set(found.clauses) <= set(package.violated(rows[name])), name
    assert not found.second_note or found.second_note.endswith(".")
    for script in found.scripts().values():
        ast.parse(script)
        assert len(script.strip().splitlines()) <= 10
        assert "gdprops" not in script
        assert "/" not in found.source.partition("/")[0]


def test_readings_belong_to_packages_of_the_matrix() -> None:
    assert {path.stem for path in (HERE / "readings").glob("*")} <= {path.stem for path in (HERE / "results").glob("*")}


def test_the_first_page_counts_what_the_data_hold() -> None:
    made = dict(pages(EVERY, AROUND))
    examined = sum(len(package.examined) for package in EVERY)
    assert f"{len(EVERY)} packages; {examined} implementations examined" in made["index.md"]
    assert f"{confirmed(EVERY)} confirmed findings" in made["index.md"]
    assert TABLES not in made["index.md"]
    assert len(made) == 1 + len(EVERY) + len(FINDINGS)


def test_links_of_generated_pages_lead_to_pages() -> None:
    made = dict(pages(EVERY, AROUND))
    there = {f"../specification/{clause.id}.md" for clause in catalogue()} | set(made)
    for name, text in made.items():
        if name != "index.md":
            plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
            assert set(re.findall(r"\]\(([^)#]+)", plain)) <= there, name


def test_a_violation_that_nobody_has_read_is_open_and_no_finding(tmp_path: Path) -> None:
    package = small(tmp_path)
    page = dict(pages([package], AROUND))["slow-steps.md"]
    assert "| `Slow` |" in page
    assert "[optimizer.closure](../specification/optimizer.closure.md): open" in page
    assert "in-place" not in page
    assert "- `Broken`: `it / needs a model`" in page
    assert confirmed([package]) == 0
    assert violating([package], "optimizer.closure") == ""


def test_a_finding_has_a_page_and_stands_on_the_page_of_its_clause(tmp_path: Path) -> None:
    package = small(tmp_path, finding())
    made = dict(pages([package], AROUND))
    assert "optimizer.closure.md): [finding](slow-steps-never-called.md)" in made["slow-steps.md"]
    page = made["slow-steps-never-called.md"]
    assert page.startswith("# slow_steps: the closure is never called\n")
    assert "```python\nraise RuntimeError\n```" in page
    assert "`slow_steps.py:3`:" in page
    assert "../matrix/slow-steps-never-called.md" in violating([package], "optimizer.closure")


def test_a_finding_that_was_not_read_again_says_so_and_is_not_counted_as_read_twice(tmp_path: Path) -> None:
    package = small(tmp_path, finding())
    made = dict(pages([package], AROUND))
    assert made["slow-steps-never-called.md"].endswith("## Second reading\n\nIt has not been done yet.\n")
    assert (
        "1 confirmed finding, counted once for each class and cause, of which 0 were read twice; 0 disputed"
        in made["index.md"]
    )


def test_a_finding_that_a_second_reader_agrees_to_says_what_was_read(tmp_path: Path) -> None:
    package = small(tmp_path, finding(second=read_again("agreed", "Line 3 was read.")))
    made = dict(pages([package], AROUND))
    assert "A second reader, who did not find it, agrees: Line 3 was read.\n" in made["slow-steps-never-called.md"]
    assert "of which 1 were read twice; 0 disputed" in made["index.md"]


def test_a_disputed_finding_keeps_its_page_and_is_not_counted(tmp_path: Path) -> None:
    package = small(tmp_path, finding(second=read_again("disputed", "It is meant.")))
    made = dict(pages([package], AROUND))
    assert confirmed([package]) == read_twice([package]) == 0
    assert (
        "0 confirmed findings, counted once for each class and cause, of which 0 were read twice; 1 disputed"
        in made["index.md"]
    )
    assert "| [slow_steps 1.2](slow-steps.md) | all | 1 |  |  |  | 1 |" in made["index.md"]
    assert "## Disputed" in made["index.md"]
    assert "## Findings" not in made["index.md"]
    assert "optimizer.closure.md): [disputed](slow-steps-never-called.md)" in made["slow-steps.md"]
    assert "disputes it, and it does not count as confirmed: It is meant.\n" in made["slow-steps-never-called.md"]
    assert violating([package], "optimizer.closure") == ""


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (read_again("maybe", "It is."), "never-called: second='maybe' is none of 'agreed', 'disputed', 'not read'."),
        (
            read_again("agreed", ""),
            "never-called: second='agreed' with second_note='': a second reader says in a sentence",
        ),
        (read_again("disputed", ""), "never-called: second='disputed' with second_note=''"),
        ('second_note = "It is."', "never-called: second='not read' with second_note='It is.'"),
    ],
)
def test_a_second_reading_is_a_known_word_and_a_sentence(tmp_path: Path, second: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        small(tmp_path, finding(second=second))


def test_a_choice_is_no_finding(tmp_path: Path) -> None:
    choice = '[[choice]]\nclauses = ["optimizer.closure"]\nclasses = ["Slow"]\nwhy = "it is documented."\n'
    package = small(tmp_path, choice)
    page = dict(pages([package], AROUND))["slow-steps.md"]
    assert "optimizer.closure.md): choice" in page
    assert "`Slow`: it is documented." in page


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("x = 1\nassert x == 2", ""),
        ("x = 1\nassert x == 1", "it runs to its end"),
        ("def f():\n    raise ValueError\nf()", ""),
        ("raise ValueError('early')\nx = 1", "it fails in line [1] of 2: ValueError('early')"),
        ("import os\nos._exit(1)", "it ends its process"),
    ],
)
def test_a_script_shows_its_finding_only_by_failing_in_its_last_line(script: str, why: str) -> None:
    assert run_scripts.shows(script) == why


def test_a_survey_is_condensed_to_a_letter_for_each_verdict() -> None:
    verdicts = [{"clause": "step.once", "level": "required", "status": "held"}]
    report = {"key": "slow:Slow", "unusable": "", "aborted": "", "traits": {"clock": "group"}, "verdicts": verdicts}
    broken = {"key": "slow:Broken", "unusable": "no", "verdicts": []}
    asked = {"version": "1", "modules": ["slow"], "packages": {"slow": "3", "torch": "2+cpu"}, "examples": 5, "seed": 0}
    survey = {"asked": {**asked, "parameters": {}}, "specification": 3, "reports": [report, broken]}
    found = condense.condensed(survey, "slow")
    assert found["version"] == "3"
    assert found["how"]["torch"] == "2"
    assert "unfinished" not in found["how"]
    assert condense.condensed({**survey, "complete": False}, "slow")["how"]["unfinished"] is True
    assert found["clauses"] == {"step.once": "required"}
    assert found["implementations"] == [
        {"name": "Slow", "verdicts": "h", "traits": {}},
        {"name": "Broken", "unusable": "no"},
    ]


def test_a_violation_that_was_read_stays_when_a_survey_does_not_see_it_again(tmp_path: Path) -> None:
    package = small(tmp_path, finding())
    rows: list[dict[str, Any]] = [{"name": "Quick", "verdicts": "hh", "traits": {}}]
    survey = {
        "package": package.name,
        "version": package.version,
        "how": dict(package.how),
        "clauses": dict(package.levels),
        "implementations": [*rows, {"name": "Slow", "verdicts": "hh", "traits": {}}],
    }
    seen = condense.with_earlier(survey, tmp_path)
    assert [row["verdicts"] for row in seen["implementations"]] == ["hh", "vh"]
    assert seen["how"]["earlier"] == {"Slow": ["optimizer.closure"]}
    unfinished = condense.with_earlier({**survey, "implementations": rows}, tmp_path)
    assert [row["verdicts"] for row in unfinished["implementations"]] == ["hh", "v "]
    mended = condense.with_earlier({**survey, "version": "1.3"}, tmp_path)
    assert [row["verdicts"] for row in mended["implementations"]] == ["hh", "hh"]
    assert "earlier" not in mended["how"]


def test_a_page_names_what_another_run_saw_and_counts_only_whole_rows(tmp_path: Path) -> None:
    package = small(tmp_path, finding())
    path = tmp_path / "results" / "slow_steps.json"
    results = json.loads(path.read_text())
    results["how"] |= {"earlier": {"Slow": ["optimizer.closure"]}, "unfinished": True}
    results["implementations"][0]["verdicts"] = "v "
    path.write_text(json.dumps(results))
    assert len(package.whole) == 1
    (package,) = packages(tmp_path)
    made = dict(pages([package], AROUND))
    assert "the script of each shows it: `Slow`: [optimizer.closure]" in made["slow-steps.md"]
    assert "The survey was ended before its last classes" in made["slow-steps.md"]
    assert "1 implementation examined, 0 of them on all clauses" in made["index.md"]


def test_a_class_of_another_package_is_counted_there() -> None:
    case = {"case": {"identity": "optimizer {factory: quick.steps:Quick, hyperparameters: {}}"}}
    verdicts = [
        {"clause": "step.once", "level": "required", "status": "held", "counterexample": None},
        {"clause": "step.finite", "level": "required", "status": "violated", "counterexample": case},
    ]
    report = {"key": "slow.steps:Quick", "unusable": "", "aborted": "", "traits": {}, "verdicts": verdicts}
    asked = {"version": "1", "modules": ["slow"], "packages": {"slow": "3"}, "examples": 5, "seed": 0, "parameters": {}}
    survey = {"asked": asked, "specification": 3, "reports": [report, {**report, "key": "quick:Quick"}]}
    other, own = condense.condensed(survey, "slow")["implementations"]
    assert other["unusable"] == "it is a class of quick, and belongs to the row there"
    assert own["verdicts"] == "hv"
