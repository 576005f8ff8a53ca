"""A trial of a distributed step, on one process with all rows and then on its smallest world, before any clause runs.

On one process the step must make the expected update, or nothing can be said of several: `Habits.unknown` says why it
does not. The learning rate that cases draw is put into the returned optimizer only if that acts.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import SubjectStopped, UsageError
from gdprops.model.case import WITNESS, Plan, RanksCase, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.model.note import Note
from gdprops.model.rank_mesh import PIPELINE, PLAIN, TENSOR, fitted, size_of
from gdprops.model.wording import plural
from gdprops.numerics.comparison import alike
from gdprops.numerics.decisions import DOUBLE, PROBE_TOLERANCE
from gdprops.numerics.reached_rows import branched
from gdprops.subjects.distributed_step.declaration import RAGGED, Habits
from gdprops.subjects.distributed_step.observed import Step, Story, observed, together, told, told_once
from gdprops.subjects.distributed_step.own_models import examined
from gdprops.subjects.distributed_step.own_models import trial_case_of as own_trial_case
from gdprops.subjects.distributed_step.subject import LARGEST, DistributedStep, located
from gdprops.subjects.distributed_step.told_errors import FOLLOWS, crash_of, on_ranks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.ranks.messages import Piece, Ran

RATE = 0.125
STEPS, ROWS = 3, 2
"""How many steps a trial takes, and how many rows of a micro-batch each rank has."""
ALREADY = "a saved training is not loaded on {}: there the step is already another one than the expected update"


def tried(subject: DistributedStep) -> tuple[DistributedStep, tuple[Note, ...]]:
    """Return the subject with its habits, and what is told of it. Raises `UsageError` for what cannot be used."""
    found = with_own_models(located(subject))
    habits = _habits(found)
    is_own, is_meshed = bool(habits.own_rows), found.declaration.mesh != PLAIN
    case = trial_case(found, min(found.declaration.worlds))
    is_bare = is_own or size_of(case.mesh, PIPELINE) > 1
    several = observed(found.declaration, case if is_bare else replace(case, added=WITNESS))
    ran = list(several.ran.values())
    habits = replace(
        habits,
        layout=_layout(several.ran),
        takes_scalars=is_own or (not is_meshed and _takes_scalars(found)),
        unused="" if is_own or is_meshed or habits.unknown else _where_one_rank_reaches(found),
        freezes=not is_own or not all(trains for one in ran for trains in one.trainable.values()),
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
    fewest = max(map(subject.domain.count_of_parts, declared.worlds)) * declared.training.accumulate
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
    alike = all(_are_alike(one, other) for one, other in combinations(starts, 2))
    sent = "sends the weights of one rank to all" if alike else "leaves unequal weights as they are"
    state = "depends" if found.declaration.habits.keeps_state else "does not depend"
    shared = starts and set(starts[0]).intersection(*starts[1:])
    told_too = (f"build {sent}",) if shared else ()
    buffers = "are the same on all ranks" if found.declaration.habits.shares_buffers else "of each rank are its own"
    told_too = (*told_too, f"when a forward pass begins, the buffers {buffers}")
    return (*notes, *map(Note, (*lie, *told_too, f"the update {state} on earlier steps")))


def _are_alike(one: Mapping[str, Piece], other: Mapping[str, Piece]) -> bool:
    return all(alike(piece.values, other[name].values) for name, piece in one.items() if name in other)


def _layout(ran: Mapping[int, Ran]) -> dict[str, str]:
    """Return how each parameter lies on the ranks, and which hold it where not all of them do."""
    if not ran:
        return {}
    holders = {name: [rank for rank, one in ran.items() if name in one.start] for name in together(ran).start}
    layout, world = together(ran).layout, len(ran)
    return {
        name: layout[name] if len(ranks) == world else f"held {on_ranks(ranks, world)}"
        for name, ranks in holders.items()
    }


def loading_worlds(subject: DistributedStep) -> tuple[tuple[int, ...], list[str]]:
    """Return on how many ranks a saved training may be loaded, and why it is not examined on others."""
    world = min(subject.declaration.worlds)
    plain, found, bound = trial_case(subject, world, equal=True), [world], list[str]()
    domain = subject.domain
    for other in (1, 2 * world) if 2 * world <= LARGEST else (1,):
        if fitted(domain.mesh, other) is None:
            continue
        own, others = domain.count_of_parts(world), domain.count_of_parts(other)
        if plain.is_own:
            size = max(own, others) * plain.window
            whole = domain.own_rows // size * size
            plain = replace(plain, parts=(whole // own,) * own)
        rows = sum(plain.parts)
        if not rows:
            continue
        loading = (rows // others,) * others
        case = replace(plain, saved_after=1, resumed=loading, resumed_mesh=domain.mesh_of(other))
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
            raise UsageError(f"{subject.name} cannot be used: {story.crash}{_of_one_place(subject)}")
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


def _of_one_place(subject: DistributedStep) -> str:
    """Return what a mesh of one rank is, where the subject stands on a mesh."""
    mesh = fitted(subject.declaration.mesh, 1) or ()
    sizes = ", ".join(f"{name!r}: {size}" for name, size in mesh)
    return "" if subject.declaration.mesh == PLAIN else f"; on one rank the mesh is {{{sizes}}}"


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
    mesh = subject.domain.mesh_of(world)
    if declared.habits.own_rows:
        domain = subject.domain if not equal else replace(subject.domain, ragged=False)
        return replace(own_trial_case(declared.training, domain.own_parts(world)), mesh=mesh)
    ragged = declared.parts == RAGGED and not equal
    each = ROWS * 2 if any(name == PIPELINE for name, _ in declared.mesh) else ROWS
    count = subject.domain.count_of_parts(world)
    parts = tuple(window * (each // 2 * (1 + part % 2) if ragged else each) for part in range(count))
    depth, width = max(2, size_of(mesh, PIPELINE)), max(2, size_of(mesh, TENSOR))
    layers = tuple(Layer(2 * k, 2 * k + 1, "leaky-relu" if k < depth - 1 else "identity") for k in range(depth))
    names = tuple(f"{kind}{k}" for k in range(1, depth + 1) for kind in "Wb")
    network = Network((layers,), names, (True,) * len(names), "half-sse-per-row")
    tensors = tuple(_numbers(shape) for _ in layers for shape in ((width, width), (width,)))
    batches = tuple(_batch((sum(parts), width), t) for t in range(STEPS))
    plan = Plan((tuple(range(len(names))),), (RATE,))
    return RanksCase(TrainCase(network, tensors, batches, plan, DOUBLE), parts, window, mesh=mesh)


def _batch(shape: tuple[int, int], t: int) -> Batch:
    inputs = _numbers(shape) + t / 2
    return Batch(inputs, inputs[::-1].copy() - 1)


def _numbers(shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    found: Array = ((np.arange(count) * 3 % 7) / 4 - 0.75).reshape(shape)
    return found
