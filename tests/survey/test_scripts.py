"""`gdprops survey --script`: the shortest script of every violation, and the versions that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.cli import main
from gdprops.model.clause import Level
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Counterexample, Status, Verdict
from gdprops.survey.matrix_file import read_survey
from gdprops.survey.package_versions import versions_of
from gdprops.survey.scripts import scripts_text
from gdprops.survey.survey_data import Entry, Survey
from tests.survey.surveys import HERE, QUICK


def violated(clause: str, reason: str, script: str, level: Level = Level.REQUIRED) -> Verdict:
    example = Counterexample({}, script)
    return Verdict(clause, About.SUBJECT, level, Status.VIOLATED, "…", reason=reason, counterexample=example)


def survey_of(*verdicts: Verdict) -> Survey:
    entry = Entry("slow:Slow", Outcome("slow:Slow", 0, "ci", verdicts, False, {}, About.SUBJECT))
    return Survey({"packages": {"slow": "1.2", "torch": "2.13.0"}}, [entry])


def test_violations_of_one_cause_share_the_shortest_script() -> None:
    long, short = "import torch\nx = 1\nassert x == 2\n", "assert False\n"
    text = scripts_text(survey_of(violated("a.one", "it crashes", long), violated("a.two", "it crashes", short)))
    assert text == "# slow:Slow (slow 1.2, torch 2.13.0): a.one, a.two\nassert False\n"


def test_other_causes_have_scripts_of_their_own_and_recommendations_none() -> None:
    text = scripts_text(
        survey_of(
            violated("a.one", "it crashes", "assert 1 == 2\n"),
            violated("a.two", "it waits", ""),
            violated("a.three", "it is slow", "assert 1 == 3\n", Level.RECOMMENDED),
        )
    )
    assert "a.one\nassert 1 == 2\n" in text
    assert "a.two\n# gdprops found no script that shows it" in text
    assert "a.three" not in text


def test_versions_are_those_of_the_installed_packages() -> None:
    import numpy as np
    import torch

    found = versions_of(["numpy.random", "torch.optim", "nothing.such", "mine.py", "pytest:registry"])
    assert found["torch"] == torch.__version__
    assert found["numpy"] == np.__version__
    assert set(found) == {"numpy", "pytest", "torch"}


@pytest.mark.xdist_group("survey")
def test_only_scripts_are_printed_and_a_missing_module_is_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.json"
    options = [*QUICK, "--json", str(path), "-n", "1", "-q", "--script"]
    assert main(["survey", "torch.optin", f"{HERE}:registry", *options]) == 1
    said = capsys.readouterr()
    compile(said.out, "scripts", "exec")
    assert f"# {HERE}:registry:Wrong" in said.out
    assert "import torch" in said.out
    assert "2 optimizers examined, 1 with a failed required clause, 1 could not be examined." in said.err
    found = read_survey(str(path))
    assert found.complete
    assert [entry.key for entry in found.entries] == ["torch.optin", f"{HERE}:registry:Right", f"{HERE}:registry:Wrong"]
    assert "no module is named 'torch.optin'" in found.entries[0].unusable
    assert "torch" in found.asked["packages"]
