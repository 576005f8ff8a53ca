"""What one process finds where others have told what they did, on ledgers and records written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

from gdprops.clauses import catalogue
from gdprops.model.clause import Level
from gdprops.model.ledger import Collective, Ledger, Parameter, record_of
from gdprops.model.live_finding import LiveFinding
from gdprops.model.rank_record import RankRecord, RankStep, from_json, to_json
from tests.clauses.live.ledgers import line, look, run, step

A, B, C = {1: 0, 2: 1}, {1: 2, 2: 3}, {1: 4, 2: 5}


def trained(*left: str, before: str = "begin", replicated: bool = True, rank: int = 0) -> Ledger:
    """Return a run whose parameter a is left with these digests."""
    parts = []
    contents = [{1: 10 * k, 2: 1} for k in range(len(left) + 1)]
    for k, digest in enumerate(left):
        begins, ends = cast(
            tuple[Any, Any], step(k + 1, contents[k], contents[k + 1], digests={1: before if k == 0 else left[k - 1]})
        )
        parts += [look(k + 1, contents[k]), [begins, replace(ends, digests={1: digest})]]
    known = {1: Parameter("a", 1, replicated=replicated), 2: Parameter("b", 1)}
    return run(*parts, parameters=known, rank=rank)


def seen(own: Ledger, *others: Ledger) -> list[tuple[str, str, int | None]]:
    ledger = replace(own, ranks=tuple(map(record_of, others)))
    found = catalogue()["live.replicas"].examine(ledger, None).findings
    return [(finding.level.value, finding.sentence, finding.step) for finding in found]


def test_processes_that_stay_equal_are_right_and_one_alone_decides_nothing() -> None:
    assert seen(trained("x", "y"), trained("x", "y", rank=1)) == []
    alone = catalogue()["live.replicas"].examine(trained("x"), None)
    assert (alone.decisive, alone.reason) == (False, "one process")


def test_weights_that_differ_are_an_error_where_torch_keeps_them_equal() -> None:
    assert seen(trained("x", "y"), trained("x", "z", rank=1)) == [
        (
            "required",
            "after the step at train.py:12 ranks 0 and 1 have different weights in a: DistributedDataParallel keeps "
            "them equal",
            2,
        )
    ]


def test_weights_that_began_equal_are_a_note_and_others_are_nothing() -> None:
    drift = trained("x", replicated=False), trained("z", replicated=False, rank=1)
    assert seen(*drift) == [
        (
            "recommended",
            "after the step at train.py:12 ranks 0 and 1 have different weights in a: they were equal before the first "
            "step",
            1,
        )
    ]
    shard = trained("z", before="other", replicated=False, rank=1)
    assert seen(trained("x", replicated=False), shard) == []


def test_a_collective_that_one_of_them_has_skipped_and_other_numbers_of_steps() -> None:
    def calls(*names: str, rank: int = 0) -> Ledger:
        events = [Collective(name, line(30 + k)) for k, name in enumerate(names)]
        return run(events, look(1, A), step(1, A, B), rank=rank)

    assert seen(calls("all_reduce", "barrier"), calls("all_reduce", "all_reduce", rank=1)) == [
        (
            "required",
            "collective 2 of rank 0 is barrier at train.py:31, that of rank 1 is all_reduce at train.py:31: one of "
            "them has skipped one",
            None,
        )
    ]
    assert seen(calls("all_reduce"), calls("all_reduce", "barrier", rank=1)) == []
    more = run(look(1, A), step(1, A, B), look(2, B), step(2, B, C), rank=1)
    assert seen(calls(), more) == [
        ("recommended", "rank 0 made 1 step and rank 1 made 2 steps while they were watched", None),
    ]


def test_a_record_survives_json() -> None:
    finding = LiveFinding("live.once", Level.REQUIRED, "twice", ("a",), 3, (line(4),))
    record = RankRecord(
        1, {"a": "x"}, (RankStep(line(3), {"a": "y"}),), frozenset({"a"}), (("barrier", None),), (finding,)
    )
    assert from_json(json.loads(json.dumps(to_json(record)))) == record
