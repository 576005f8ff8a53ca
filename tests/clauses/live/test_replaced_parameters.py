"""Parameters that a script replaces after each step stand in the same place, and no optimizer holds them."""

from __future__ import annotations

from gdprops.clauses import catalogue
from gdprops.faults.watched_runs.right_trainings import wasserstein_gan
from gdprops.faults.watched_runs.wrong_wiring import clips_weights_into_new_parameters
from gdprops.watching.session import watched


def test_new_parameters_after_each_step_are_told_as_one_left_out() -> None:
    clause = catalogue()["live.complete"]
    (ledger,) = watched(clips_weights_into_new_parameters)
    found = clause.examine(ledger, None)
    assert found.violated
    assert "no optimizer holds that: it is never trained" in found.findings[0].sentence
    assert "an optimizer holds what stood there before: change p.data in place" in found.findings[0].sentence


def test_weights_that_are_clipped_in_place_are_not() -> None:
    clause = catalogue()["live.complete"]
    assert not any(clause.examine(ledger, None).violated for ledger in watched(wasserstein_gan))
