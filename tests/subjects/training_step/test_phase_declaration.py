"""Which calls of optimizers are the declared phases."""

from __future__ import annotations

from typing import Any

import pytest

from gdprops.subjects.training_step.phase_declaration import Phase, Phases, Slot


def loss(*_: Any) -> Any:
    raise AssertionError


PHASES = (Phase("critic", loss, 2), Phase("actor", loss))
CRITIC, ACTOR = [Slot(0, 0), Slot(0, 1)], [Slot(1, 0)]


@pytest.mark.parametrize(
    ("called", "together", "found"),
    [
        (["critic", "critic", "actor"], False, [CRITIC + ACTOR]),
        (["critic", "critic"], False, [CRITIC]),
        (["actor", "critic", "critic"], False, []),
        (["actor", "critic", "critic"], True, [ACTOR + CRITIC]),
        (["critic", "critic", "actor"], True, [CRITIC + ACTOR]),
        (["critic", "actor", "critic"], True, []),
    ],
)
def test_the_order_counts_unless_all_look_at_what_the_step_has_found(
    called: list[str], together: bool, found: list[list[Slot]]
) -> None:
    assert Phases(PHASES, together=together).readings(called) == found
