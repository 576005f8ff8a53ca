"""The table of dialects comes from measurements, and says what its words mean."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gdprops.cli import cli
from gdprops.numerics.published.table import PUBLISHED
from gdprops.report.dialect_table import dialect_table
from gdprops.runner import dialect_measurements
from gdprops.runner.dialect_measurements import (
    ABSENT,
    IMPLEMENTATIONS,
    MISSING,
    OWN,
    Found,
    dialects_of,
    measured_dialects,
)


@pytest.mark.parametrize("rule", IMPLEMENTATIONS["torch"])
def test_torch_has_every_rule_in_its_own_form(rule: str) -> None:
    spec, given = IMPLEMENTATIONS["torch"][rule]
    assert dialects_of(spec, rule, given) == (OWN,)


def test_another_form_is_found_and_a_stranger_is_not() -> None:
    assert dialects_of("torch.optim:Adam", "adamax", {"eps": 0.25}) == ()
    assert dialects_of("torch.optim:Adam", "amsgrad", {"eps": 0.25}) == ()


def test_what_is_not_offered_or_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect_measurements, "find_spec", lambda name: None if name != "torch" else object())
    monkeypatch.setattr(dialect_measurements, "PUBLISHED", {name: PUBLISHED[name] for name in ("adam", "lars")})
    found = {(f.framework, f.rule): f.forms for f in measured_dialects()}
    assert found["torch", "adam"] == (OWN,)
    assert found["torch", "lars"] == (ABSENT,)
    assert found["optax", "adam"] == found["keras", "adam"] == (MISSING,)


def test_the_table_says_what_its_words_mean() -> None:
    table = dialect_table([Found("adam", "torch", "", (OWN,)), Found("adam", "keras", "", ("epsilon-hat",))])
    assert "| rule | torch | keras |\n| --- | --- | --- |\n| `adam` | own form | epsilon-hat |" in table
    assert "- `adam:epsilon-hat`: ε stands beside the uncorrected root (ε-hat) (Kingma and Ba 2015" in table
    assert "uncorrected`" not in table


def test_one_chapter_is_shown_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    said = CliRunner().invoke(cli, ["show", "published"]).output
    assert "published.adam" in said
    assert "step.simultaneous" not in said
    monkeypatch.setattr(dialect_measurements, "measured_dialects", lambda: (Found("sgd", "torch", "", (OWN,)),))
    page = CliRunner().invoke(cli, ["show", "published", "--markdown"]).output
    assert "### `published.muon`" in page
    assert "| `sgd` | own form |" in page
