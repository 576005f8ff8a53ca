"""What stays that was there for a moment: ledgers written by hand, what the clauses say and where they are silent."""

from __future__ import annotations

from typing import Any

from gdprops.model.ledger import (
    Clip,
    Event,
    Forward,
    Holding,
    Optimizer,
    Parameter,
    Pulled,
    Unscale,
)
from tests.clauses.live.ledgers import BOTH, line, look, run, said, step, usual

A, B, C = {1: 0, 2: 1}, {1: 2, 2: 3}, {1: 4, 2: 5}
AWAY = {1: 20, 2: 21}
ZEROS = {1: Holding.ZERO, 2: Holding.ZERO}


def clip_of(*spent: bool) -> list[str]:
    first, second = ([Clip(line(11), frozenset() if one else frozenset(BOTH), spent=one)] for one in spent)
    return said("clipping", run(look(1, A), first, step(1, A, B), look(2, B), second, step(2, B, C)))


def test_a_clip_of_an_iterator_that_has_run_out() -> None:
    assert clip_of(True, True) == [
        "the clip at train.py:11 is given an iterator that was used up before: 2 calls clip nothing"
    ]
    assert clip_of(False, True) == [
        "the clip at train.py:11 is given an iterator it has used up itself: 1 call clips nothing"
    ]
    assert clip_of(False, False) == []


def moved_when_frozen(first: list[Event], **facts: Any) -> list[str]:
    return said("fresh-gradient", run(first, step(1, A, B), look(2, B, to=(2,)), step(2, B, C, **facts)))


def test_what_is_frozen_with_zeros_is_not_moved() -> None:
    zero, frozen = {1: Holding.ZERO, 2: Holding.KEPT}, frozenset({1})
    assert moved_when_frozen(look(1, A), gradients=zero, frozen=frozen) == [
        "the step at train.py:12 moves a, frozen since an earlier step: the gradient there is zero and not None, and "
        "the optimizer's memory or decay moves on what has one"
    ]
    assert moved_when_frozen(look(1, A, to=(2,)), gradients=zero, frozen=frozen) == []  # it never had a gradient
    assert moved_when_frozen(look(1, A), gradients=zero) == []  # a head that waits for its turn
    still = run(look(1, A), step(1, A, B), look(2, B, to=(2,)), step(2, B, {1: 2, 2: 5}, gradients=zero, frozen=frozen))
    assert said("fresh-gradient", still) == []


def copied(had: dict[int, Holding]) -> list[str]:
    """Step a master copy, parameter 3, with a copy of the gradient of parameter 1."""
    parts = []
    for k, before in enumerate(({}, had)):
        parts += [look(k + 1, {1: 10 * k}, to=(1,), had=before)]
        master, given = {3: 100 * k}, {3: Holding.ASSIGNED}
        parts += [step(k + 1, master, {3: 100 * k + 100}, gradients=given, copied={3: 1})]
    facts = {1: Parameter("a", 1), 3: Parameter("a tensor")}
    return said("fresh-gradient", run(*parts, parameters=facts, optimizers={1: Optimizer("SGD", frozenset({3}))}))


def test_a_copied_gradient_is_that_of_the_calls_whose_gradient_it_copies() -> None:
    assert copied({1: Holding.KEPT}) == [
        "the step at train.py:12 uses the gradients of train.py:11 again for a: the step at train.py:12 has used them "
        "before, and nothing has cleared them"
    ]
    assert copied({}) == copied({1: Holding.ZERO}) == []
    assert copied({1: Holding.EDITED}) == []  # a momentum of the user's own


def evaluated(*modes: str) -> list[str]:
    """Make a step for each text of modes: t for a pass in training mode, e for one in evaluation mode."""
    parts, call = [], 0
    for content, passes in enumerate(modes):
        had: dict[int, Holding] = {}
        for mode in passes:
            call += 1
            at, training = (11, True) if mode == "t" else (15, False)
            parts.append(look(call, {1: content, 2: 0}, at=at, training=training, had=had))
            had = dict.fromkeys(BOTH, Holding.KEPT)
        parts.append(step(content + 1, {1: content, 2: 0}, {1: content + 1, 2: 0}))
    return said("mode", run(*parts))


def test_a_step_that_uses_what_an_evaluation_has_left() -> None:
    assert evaluated("t", "eet", "t") == [
        "the step at train.py:12 uses the gradients of train.py:11 and what the backward passes in evaluation mode at "
        "train.py:15 have left before: other steps use none of these"
    ]
    assert evaluated("et", "et", "et") == []  # one loss in each mode, on purpose
    assert evaluated("t", "et", "et") == []  # from some step on
    assert evaluated("t", "te", "t") == []  # a penalty after the loss


def divided(call: dict[str, Any], **facts: Any) -> list[str]:
    unscale = [Unscale(frozenset(BOTH), line(14), facts.pop("gradients", {}), facts.pop("scale", 1024.0))]
    return said("scale", run(look(1, A, **call), unscale, step(1, A, B, by_scaler=True)))


def test_what_is_unscaled_was_scaled() -> None:
    kept, bare = dict.fromkeys(BOTH, Holding.KEPT), frozenset({1})
    assert divided({"bare": bare}, gradients=kept) == [
        "the GradScaler divides by its scale at train.py:14 what train.py:11 has left in a, and that loss, or a part "
        "of it, was not scaled: it counts a 1024th"
    ]
    assert divided({"scaled": True}, gradients=kept) == divided({}, gradients=kept) == []
    assert divided({"bare": bare}, gradients=kept, scale=None) == []  # a scaler that scales in a way of its own
    assert divided({"bare": bare}, gradients=kept, scale=1.0) == []
    assert divided({"bare": bare}, gradients={1: Holding.EDITED, 2: Holding.KEPT}) == []


def two_looks(first: dict[int, int], second: dict[int, int], *, weight: float = 1.0, had: bool) -> list[str]:
    """Look twice on one batch before each of two steps from A; ``had`` says that the first gradient is not cleared."""
    parts: list[list[Event]] = []
    kept = dict.fromkeys(BOTH, Holding.KEPT) if had else {}
    for k in range(2):
        at = {p: c + 100 * k for p, c in A.items()}
        one, other = ({p: c + 100 * k for p, c in given.items()} for given in (first, second))
        parts.append(look(2 * k + 1, one, at=11, inputs=7, weight=weight))
        parts.append([Forward(1, line(14), found=other, reads=other, inputs=7)])
        parts.append(look(2 * k + 2, other, at=15, inputs=7, weight=weight, had=kept)[1:])
        parts.append(step(k + 1, at, {p: c + 100 for p, c in at.items()}, at=16))
    return said("frozen-weights", run(*parts))


def test_a_step_from_where_only_the_second_look_was() -> None:
    assert two_looks(AWAY, A, had=False) == [
        "the step at train.py:16 starts from weights a and b that somebody has moved after the look at train.py:11, "
        "whose gradients no step uses, for the look at train.py:15: whoever looks elsewhere goes back before he steps"
    ]
    assert two_looks(A, A, had=False) == two_looks(A, AWAY, had=False) == []


def test_two_looks_at_different_weights_that_are_added_up() -> None:
    assert two_looks(A, AWAY, had=True) == [
        "the step at train.py:16 adds up the gradients of train.py:11 and of train.py:15, between which somebody has "
        "moved a and b: they are of different weights"
    ]
    assert two_looks(A, AWAY, weight=0.5, had=True) == two_looks(A, A, had=True) == []
    assert two_looks({1: 30, 2: 31}, AWAY, had=True) == []  # both are displaced


def pulled(*still: bool, share: float = 0.1, remembers: bool = False) -> list[str]:
    parts, pulls = list(usual(2 * len(still) + 2)), list[list[Event]]()
    for k, one in enumerate(still):
        pulls += [*parts[4 * k : 4 * k + 4], [Pulled(1, "q", "target", share, one)]]
    made = {1: Optimizer("Adam", frozenset(BOTH), remembers=remembers)}
    return said("frozen-weights", run(*pulls, *parts[4 * len(still) :], optimizers=made))


def test_a_module_that_is_pulled_to_one_that_stays() -> None:
    assert pulled(False, True) == [
        "between the step at train.py:12 and the forward pass at train.py:10 somebody has moved q 0.1 of the way to "
        "the weights of target, not for the first time, and these stay what they are: a target network follows the one "
        "that is trained, not the other way round"
    ]
    assert pulled(False, False) == []  # the other one moves too
    assert pulled(False, True, share=1.0) == []  # perhaps a new beginning
    assert "has put q back to the weights of target" in pulled(False, True, share=1.0, remembers=True)[0]
