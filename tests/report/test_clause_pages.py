"""The specification as pages: every clause has one, with all that it promises, and its sources lead somewhere."""

from __future__ import annotations

import ast
import json
import re

import pytest

from gdprops.clauses import catalogue
from gdprops.cli import main
from gdprops.faults.code_shown import clearest, known_faults, shown
from gdprops.report.clause_pages import clause_page, glossary_page, overview
from gdprops.report.source_links import linked, links

PARTS = ("Why it matters", "Wrong and right", "How it is decided", "Sources", "Faults that refute it")


@pytest.mark.parametrize("clause_id", ["step.fresh-gradient", "published.adam", "gradient.complete", "live.complete"])
def test_a_page_has_all_its_parts_in_order(clause_id: str) -> None:
    clause = catalogue()[clause_id]
    page = clause_page(clause)
    assert page.startswith(f"# {clause_id}\n\n> {clause.statement}\n")
    assert re.findall(r"^## (.*)", page, re.MULTILINE)[:5] == list(PARTS)
    assert f"Since specification {clause.since}, revision {clause.revision}." in page
    assert all(f"| `{name}` |" in page for name in clause.refuted_by)
    wrong, right = re.findall(r"```python title=\"(?:wrong|right: .*?)\"\n(.*?)```", page, re.DOTALL)
    ast.parse(wrong)
    ast.parse(right)
    assert wrong != right


def test_the_overview_lists_every_clause_with_its_page() -> None:
    page = overview(catalogue())
    for clause in catalogue():
        assert f"| [`{clause.id}`]({clause.id}.md)" in page
    assert "## live: a training script as it is, watched while it runs" in page
    assert "- **decisive**: " in glossary_page()


def test_the_right_code_beside_a_fault_is_that_of_its_family() -> None:
    stale = shown("sgd-doubles-the-step")
    assert "class SgdDoublesTheStep" in stale.wrong or "class " in stale.wrong
    assert stale.right.startswith("class PlainDescent:")
    assert shown("adam-without-correction").right_name == "the published rule adam"
    assert "zero_grad" in shown("never-zeroes").right


def test_sources_have_links() -> None:
    text = "Kingma and Ba 2015, arXiv:1412.6980, algorithm 1. raskr/rust-autograd#16; doi:10.1214/aoms/1177729586."
    assert dict(links(text)) == {
        "arXiv:1412.6980": "https://arxiv.org/abs/1412.6980",
        "raskr/rust-autograd#16": "https://github.com/raskr/rust-autograd/issues/16",
        "doi:10.1214/aoms/1177729586": "https://doi.org/10.1214/aoms/1177729586",
    }
    assert linked("vsepp#4: no owner") == "vsepp#4: no owner"
    assert linked("arXiv:1412.6980.") == "[arXiv:1412.6980](https://arxiv.org/abs/1412.6980)."
    polyak = "doi:10.1016/0041-5553(64)90137-5; torch"
    assert dict(links(polyak)) == {polyak[:-7]: "https://doi.org/10.1016/0041-5553(64)90137-5"}


def test_show_prints_the_address_and_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "step.once"]) == 0
    assert "Page\n  https://gdprops.example/specification/step.once/\n" in capsys.readouterr().out
    assert main(["show", "published", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {clause["chapter"] for clause in data["clauses"]} == {"published"}
    (adam,) = (clause for clause in data["clauses"] if clause["id"] == "published.adam")
    assert adam["links"]["arXiv:1412.6980"] == "https://arxiv.org/abs/1412.6980"
    assert set(adam["refuted_by"]) <= set(known_faults())


def test_show_explains_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "steps-twice"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("steps-twice\nA wrapper steps inside backward, and the loop steps once more.\n")
    assert "Real bug\n  PKU-YuanGroup/Helios#130\n" in told
    assert "Refuted by\n  step.once" in told
    assert main(["show", "step-twice"]) == 2
    assert "no clause, chapter, fault, twin or word is named 'step-twice'; did you mean" in capsys.readouterr().err


def test_show_prints_a_right_twin_and_defines_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "training-by-hand"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("training-by-hand\nRight code, which no clause may accuse.\n\nRight\n  def ")
    assert main(["show", "decisive"]) == 0
    assert capsys.readouterr().out.startswith("  decisive\n      ")


def test_every_issue_that_is_named_can_be_followed() -> None:
    named = [text for clause in catalogue() for text in (clause.source, clause.decision)]
    named += [fault.source for fault in known_faults().values()]
    unlinked = [text for text in named if re.search(r"(?<![\w./-])[\w.-]+#\d", text)]
    assert unlinked == []


def test_a_clause_shows_wrong_code_that_says_all_itself_where_there_is_some() -> None:
    assert clearest(catalogue()["step.simultaneous"].refuted_by) == "moves-before-it-looks"
    assert clearest(catalogue()["optimizer.missing-gradient"].refuted_by) == "zeros-for-missing-gradients"
    assert clearest(catalogue()["clock.resume"].refuted_by) == "saves-no-optimizer"
