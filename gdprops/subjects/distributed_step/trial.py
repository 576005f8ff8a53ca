"""A trial of a distributed step, on one process with all rows and then on its smallest world, before any clause runs.

On one process the step must make the expected update, or nothing can be said of several: `Habits.unknown` says why it
does not. The learning rate that cases draw is put into the returned optimizer only if that acts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import SubjectStopped, UsageError
from gdprops.model.case import WITNESS, Plan, RanksCase, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.model.note import Note
from gdprops.model.wording import plural
from gdprops.numerics.comparison import alike
from gdprops.numerics.decisions import DOUBLE, PROBE_TOLERANCE
from gdprops.numerics.reached_rows import branched
from gdprops.subjects.distributed_step.declaration import RAGGED, Habits
from gdprops.subjects.distributed_step.observed import Step, Story, observed, told, told_once
from gdprops.subjects.distributed_step.own_models import examined
from gdprops.subjects.distributed_step.own_models import trial_case_of as own_trial_case
from gdprops.subjects.distributed_step.subject import LARGEST, DistributedStep, located
from gdprops.subjects.distributed_step.told_errors import FOLLOWS, crash_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.ranks.messages import Piece, Ran

RATE = 0.125
STEPS = 3
ALREADY = "a saved training is not loaded on {}: there the step is already another one than the expected update"


def tried(subject: DistributedStep) -> tuple[DistributedStep, tuple[Note, ...]]:
    """Return the subject with its habits, and what is told of it. Raises `UsageError` for what cannot be used."""
    found = with_own_models(located(subject))
    habits = _habits(found)
    is_own = bool(habits.own_rows)
    case = trial_case(found, min(found.declaration.worlds))
    several = observed(found.declaration, case if is_own else replace(case, added=WITNESS))
    ran = list(several.ran.values())
    habits = replace(
        habits,
        layout=ran[0].layout if ran else {},
        takes_scalars=is_own or _takes_scalars(found),
        unused="" if is_own or habits.unknown else _where_one_rank_reaches(found),
        freezes=not is_own or not all(ran[0].trainable.values() if ran else ()),
        shares_buffers=_change_buffers(ran) if is_own else _share_buffers(ran),
    )
    notes = [Note(f"on one process: {habits.unknown}")] if habits.unknown else []
    notes += [Note(habits.beside_none)] if habits.beside_none else []
    if 0 in several.ran and several.ran[0].saves and not habits.unknown:
        loads_on, bound = loading_worlds(found)
        habits = replace(habits, loads_on=loads_on)
        notes += map(Note, bound)
    found = found.tried(habits)
    if found.declaration.worlds != tuple(n for n in found.declaration.worlds if n & (n - 1) == 0):
        notes.append(Note("worlds that are no power of two are compared within rounding, not by =="))
    return found, tuple(notes)


def with_own_models(subject: DistributedStep) -> DistributedStep:
    """Return the subject with what is known of its own models. Raises `UsageError` for what cannot be used."""
    declared = subject.declaration
    own, rows, beside_none = examined(declared.training, subject.name)
    if own is None:
        return subject
    fewest = max(declared.worlds) * declared.training.accumulate
    if rows < fewest:
        raise UsageError(
            f"batches(0) has {plural(rows, 'row')}; expected at least {fewest}, one for each call of a rank"
        )
    training, habits = replace(declared.training, own=own), Habits(own_rows=rows, beside_none=beside_none)
    return replace(subject, declaration=replace(declared, training=training, habits=habits))


def told_traits(subject: DistributedStep) -> tuple[Note, ...]:
    """Return how the parameters lie on the ranks of the smallest world, and what build does to unequal weights."""
    found, notes = tried(subject)
    world, layout = min(found.declaration.worlds), found.declaration.habits.layout
    by_layout = {how: [name for name, other in layout.items() if other == how] for how in layout.values()}
    lie = [
        f"on {world} ranks {'every parameter' if len(by_layout) == 1 else ', '.join(names)} is {how}"
        for how, names in by_layout.items()
    ]
    ran = told(found.declaration, trial_case(found, world), apart=True).ran.values()
    starts = [{name: piece for name, piece in one.start.items() if piece.is_whole} for one in ran]
    alike = all(_are_alike(starts[0], other) for other in starts[1:])
    sent = "sends the weights of one rank to all" if alike else "leaves unequal weights as they are"
    state = "depends" if found.declaration.habits.keeps_state else "does not depend"
    told_too = (f"build {sent}",) if starts and starts[0] else ()
    buffers = "are the same on all ranks" if found.declaration.habits.shares_buffers else "of each rank are its own"
    told_too = (*told_too, f"when a forward pass begins, the buffers {buffers}")
    return (*notes, *map(Note, (*lie, *told_too, f"the update {state} on earlier steps")))


def _are_alike(one: Mapping[str, Piece], other: Mapping[str, Piece]) -> bool:
    return all(alike(piece.values, other[name].values) for name, piece in one.items())


def loading_worlds(subject: DistributedStep) -> tuple[tuple[int, ...], list[str]]:
    """Return on how many ranks a saved training may be loaded, and why it is not examined on others."""
    world = min(subject.declaration.worlds)
    plain, found, bound = trial_case(subject, world, equal=True), [world], list[str]()
    for other in (1, 2 * world) if 2 * world <= LARGEST else (1,):
        if plain.is_own:
            size = max(world, other) * plain.window
            whole = subject.domain.own_rows // size * size
            plain = replace(plain, parts=(whole // world,) * world)
        rows = sum(plain.parts)
        if not rows:
            continue
        case = replace(plain, resumed=(rows // other,) * other, saved_after=1)
        story = observed(subject.declaration, case)
        ran = observed(subject.declaration, case.uninterrupted())
        if story.bound:
            bound.append(f"bound to its world: {story.bound}")
        elif ran.steps and _first_wrong(ran) is None:
            found.append(other)
        else:
            bound.append(ALREADY.format(plural(other, "rank")))
    return tuple(found), bound


def _habits(subject: DistributedStep) -> Habits:
    unknown = ""
    for sets_rate in (True, False):
        case = replace(trial_case(subject, 1), sets_rate=sets_rate)
        story = observed(subject.declaration, case)
        if story.crash is not None:
            raise UsageError(f"{subject.name} cannot be used: {story.crash}")
        first = story.ran[0]
        if story.unknown:
            raise UsageError(f"{subject.name}: {story.unknown}")
        wrong = _first_wrong(story)
        if wrong is None:
            return replace(
                subject.declaration.habits,
                sets_rate=sets_rate and first.has_optimizer,
                keeps_state=_keeps_state(story),
                step_at=first.step_at,
                told_last=first.told_last,
            )
        unknown = unknown or (
            f"step {wrong.number} is another update than the expected one; check it as a training step first, or say "
            "what is expected with rule=…, lr=…, clip_norm=…"
        )
    habits = subject.declaration.habits
    return replace(habits, sets_rate=False, keeps_state=True, step_at=first.step_at, unknown=unknown)


def _takes_scalars(subject: DistributedStep) -> bool:
    """Say whether build takes a model with a 0-d parameter: FSDP2 shards none."""
    case = trial_case(subject, 1)
    network = replace(case.train.network, scale=4, names=(*case.train.network.names, "scale"), trainable=(True,) * 5)
    train = replace(case.train, network=network, tensors=(*case.train.tensors, np.asarray(1.0)))
    return observed(subject.declaration, replace(case, train=train)).crash is None


def _share_buffers(ran: Sequence[Ran]) -> bool:
    """Say whether ranks have found any equal buffer after their first step, with which none had begun."""
    for one, *others in zip(*(rank.steps[1:] for rank in ran), strict=False):
        for name, held in (one.met or {}).items():
            found = [(other.met or {}).get(name) for other in others]
            if np.any(held) and found and all(b is not None and alike(held, b) for b in found):
                return True
    return False


def _change_buffers(ran: Sequence[Ran]) -> bool:
    """Say whether the user's own model has buffers that a forward pass changes."""
    met = [one.met or {} for one in ran[0].steps] if ran else []
    return any(not alike(held, later[name]) for later in met[1:] for name, held in met[0].items() if name in later)


def _where_one_rank_reaches(subject: DistributedStep) -> str:
    """Return what goes wrong where rank 0 alone reaches a parameter; empty where the ranks go on.

    DistributedDataParallel raises unless it looks for unused parameters; ranks of FSDP2 wait for ever.
    """
    case = branched(trial_case(subject, min(subject.declaration.worlds)), np.array([0.3, 0.7]), [0])
    try:
        found = told_once(subject.declaration, case)
    except SubjectStopped as stop:
        return str(stop)
    crash = crash_of(found, case.world)
    if crash is not None:
        text = str(crash)
        return "a rank loses the others" if any(map(text.__contains__, FOLLOWS)) else text.split(". ", maxsplit=1)[0]
    waiting = [f"rank {rank} waits for ever in {one.told}" for rank, one in sorted(found.waiting.items())]
    clashed = [f"rank {rank} {told}" for rank, told in sorted(found.clashed.items())]
    return next(iter([*waiting, *clashed]), "")


def _first_wrong(story: Story) -> Step | None:
    return next((step for step in story.steps if not _is_right(step)), None)


def _is_right(step: Step) -> bool:
    pairs = [(step.whole(name), e) for name, e in zip(step.names, step.expected, strict=True)]
    return all(w is not None and bool((np.abs(w - e) <= PROBE_TOLERANCE * (1 + np.abs(e))).all()) for w, e in pairs)


def _keeps_state(story: Story) -> bool:
    """Say whether the expected update of a later step depends on the earlier ones."""
    return any(not all(map(alike, _as_first(step), step.expected)) for step in story.steps[1:])


def _as_first(step: Step) -> list[Array]:
    """Return the weights at which a step would end if it were the first one."""
    single = step.single
    return single.update(step.before, single.clip(list(step.gradients)), single.fresh, step.settings)


def trial_case(subject: DistributedStep, world: int, *, equal: bool = False) -> RanksCase:
    """Return a small case: a network of two layers, other rows for every rank, three batches.

    ``equal``: all ranks have equally many rows, even where they may differ.
    """
    declared = subject.declaration
    window = declared.training.accumulate
    if declared.habits.own_rows:
        domain = subject.domain if not equal else replace(subject.domain, ragged=False)
        return own_trial_case(declared.training, domain.own_parts(world))
    ragged = declared.parts == RAGGED and not equal
    parts = tuple(window * (1 + rank % 2 if ragged else 2) for rank in range(world))
    layers = (Layer(0, 1, "leaky-relu"), Layer(2, 3, "identity"))
    network = Network((layers,), ("W1", "b1", "W2", "b2"), (True,) * 4, "half-sse-per-row")
    tensors = tuple(_numbers(shape) for shape in ((2, 2), (2,), (2, 2), (2,)))
    batches = tuple(_batch(sum(parts), t) for t in range(STEPS))
    return RanksCase(TrainCase(network, tensors, batches, Plan(((0, 1, 2, 3),), (RATE,)), DOUBLE), parts, window)


def _batch(rows: int, t: int) -> Batch:
    inputs = _numbers((rows, 2)) + t / 2
    return Batch(inputs, inputs[::-1].copy() - 1)


def _numbers(shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    found: Array = ((np.arange(count) * 3 % 7) / 4 - 0.75).reshape(shape)
    return found
