"""A case on all ranks, and beside it the update of one process, step by step: what the clauses judge.

The comparison begins anew at every step, at the weights that the ranks had before it: an early error is not counted
again. The story ends at the first step that is wrong, or after which replicas differ.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash, SubjectStopped, Unsupported, UsageError
from gdprops.model.wording import plural
from gdprops.subjects.distributed_step.ranks.messages import Ask, OptimizerSeen, Piece, Ran, Seen
from gdprops.subjects.distributed_step.ranks.pools import POOLS
from gdprops.subjects.distributed_step.ranks.unequal import are_unequal
from gdprops.subjects.distributed_step.reference import SingleProcess
from gdprops.subjects.distributed_step.told_errors import crash_of, death_of, on_ranks

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import RanksCase
    from gdprops.subjects.distributed_step.declaration import Distributed
    from gdprops.subjects.distributed_step.ranks.pool import Outcome
    from gdprops.subjects.distributed_step.ranks.stack_places import Standing

Grads = list["Array | None"]
ON_RANK = " on rank "
"""What stands between the name of a parameter and the rank that holds it."""


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One logical step: the weights before it, what every rank has after it, and where one process would have ended.

    ``gradients``: gdprops' own of the whole batch, not clipped; ``is_exact``: nothing may round; ``state``: that of the
    rule before the step; ``settings``: the hyperparameters in force, or those that would be if nothing had been saved
    and loaded; ``earlier``: the steps before it.
    """

    t: int
    names: tuple[str, ...]
    before: Sequence[Array]
    seen: Mapping[int, Seen]
    expected: Sequence[Array]
    gradients: Grads
    is_exact: bool
    state: Any
    settings: Any
    single: SingleProcess
    case: RanksCase
    earlier: tuple[Step, ...] = ()

    @property
    def number(self) -> int:
        """The number of the step, counted from 1."""
        return self.t + 1

    def own_gradients(self, rank: int) -> Grads:
        """Return the gradients of one rank's rows, not clipped."""
        return self.single.gradients(self.before, self.t, rows=self.case.rows_of(rank), clipped=False)

    def update(self, gradients: Grads) -> list[Array]:
        """Return U(w, g, s) for other gradients, clipped as declared."""
        return self.single.update(self.before, self.single.clip(list(gradients)), self.state, self.settings)

    def unclipped_update(self, gradients: Grads) -> list[Array]:
        """Return U(w, g, s) for gradients as they are."""
        return self.single.update(self.before, gradients, self.state, self.settings)

    def pieces(self, name: str) -> dict[int, Piece]:
        """Return what each rank holds of a parameter."""
        return {rank: seen.pieces[name] for rank, seen in self.seen.items() if name in seen.pieces}

    def whole(self, name: str) -> Array | None:
        """Return a parameter put together, None where two ranks hold different numbers of one entry."""
        return joined(self.pieces(name).values())

    def is_sharded(self, name: str) -> bool:
        """Say whether no rank holds the whole parameter."""
        return not any(piece.is_whole for piece in self.pieces(name).values())


def joined(pieces: Any) -> Array | None:
    """Return parts of a tensor put together, None where two of them differ or where one is missing."""
    held = [piece for piece in pieces if piece.values.size or piece.is_whole]
    if not held:
        return None
    whole, known = np.zeros(held[0].shape, held[0].values.dtype), np.zeros(held[0].shape, bool)
    for piece in held:
        there = known[piece.slices]
        if piece.values[there].tobytes() != whole[piece.slices][there].tobytes():
            return None
        whole[piece.slices], known[piece.slices] = piece.values, True
    return whole if known.all() else None


@final
@dataclass(frozen=True, slots=True)
class Story:
    """All that was seen of a case.

    ``waiting``: where ranks wait for ever; ``clashed``: what ranks were sent that belongs to another collective;
    ``crash``: what the user's code has raised; ``unknown``: why no single process can be put beside the ranks.
    ``loading``: the story of the ranks that load a saved training, where they lose each other; ``bound``: why a saved
    training is not loaded on another world.
    """

    case: RanksCase
    ran: Mapping[int, Ran]
    steps: tuple[Step, ...] = ()
    waiting: Mapping[int, Standing] = field(default_factory=dict)
    clashed: Mapping[int, str] = field(default_factory=dict)
    crash: SubjectCrash | None = None
    unknown: str = ""
    loading: Story | None = None
    bound: str = ""

    @property
    def world(self) -> int:
        """How many ranks there are."""
        return self.case.world

    @property
    def is_lost(self) -> bool:
        """Whether the ranks have lost each other, so that their weights mean nothing."""
        return bool(self.waiting or self.clashed)


def told(declared: Distributed, case: RanksCase, **asked: Any) -> Outcome:
    """Let the ranks run a case. Raises `UsageError` for what cannot be used, `SubjectStopped` where a rank dies.

    A deadlock is told only if it is one again, in ranks that are forked anew; after that, each at once. ``asked``: what
    else `Ask` says.
    """
    ask, pool = Ask(declared.given, case, tuple(sys.path), os.getcwd(), **asked), POOLS.of(case.world)
    found = _run(declared, case, ask)
    if found.waiting and not pool.has_waited:
        found = _run(declared, case, ask)
        pool.has_waited = bool(found.waiting)
    refused = {rank: r.raised.text for rank, r in found.ran.items() if r.raised is not None and r.raised.usage}
    if refused:
        where = "" if len(refused) == case.world else f" {on_ranks(list(refused), case.world)}"
        raise UsageError(f"{declared.training.name}{where}: {next(iter(refused.values()))}")
    bug = next((r.raised for r in found.ran.values() if r.raised is not None and r.raised.doing == "gdprops"), None)
    if bug is not None:
        raise RuntimeError(bug.text)
    return found


def told_once(declared: Distributed, case: RanksCase) -> Outcome:
    """Let the ranks run a case of which nobody is surprised if they then wait for ever: it is run once."""
    pool = POOLS.of(case.world)
    held, pool.has_waited = pool.has_waited, True  # the pool looks at them more often
    try:
        return _run(declared, case, Ask(declared.given, case, tuple(sys.path), os.getcwd()))
    finally:
        pool.has_waited = held


def _run(declared: Distributed, case: RanksCase, ask: Ask) -> Outcome:
    pool = POOLS.of(case.world)
    try:
        with declared.training.calls.to(f"{declared.training.name} on {case.world} ranks"):
            found = pool.run([ask] * case.world)
    except SubjectStopped as stop:
        raise type(stop)("; ".join(filter(None, (str(stop), pool.last_places)))) from stop
    if found.died:
        raise death_of(found)
    return found


def observed(declared: Distributed, case: RanksCase, *, traced: bool = False) -> Story:
    """Return the story of a case."""
    if case.resumed:
        return _resumed(declared, case)
    found = told(declared, case, traced=traced)
    if not traced and are_unequal(list(found.ran.values())):
        found = told(declared, case, traced=True)  # once more, with the lines at which collectives are issued
    if found.clashed:
        return Story(case, found.ran, clashed=found.clashed)
    crash = crash_of(found, case.world)
    if crash is not None or found.waiting:
        return Story(case, found.ran, waiting=found.waiting, crash=crash)
    return _beside_one_process(declared, (case, found.ran))


def _resumed(declared: Distributed, case: RanksCase) -> Story:
    """Return the story of a training that is saved and, on as many ranks or on others, loaded by a fresh build."""
    other = case.uninterrupted()
    with TemporaryDirectory(prefix="gdprops-") as folder:
        path = str(Path(folder) / "saved")
        first = told(declared, case, save_to=path)
        crash = crash_of(first, case.world)
        if crash is not None or first.waiting or first.clashed:
            return Story(case, first.ran, waiting=first.waiting, clashed=first.clashed, crash=crash)
        second = told(declared, other, load_from=path)
    crash = crash_of(second, other.world)
    if crash is not None and other.world != case.world and crash.doing.startswith("load"):
        ranks = plural(other.world, "rank")
        return Story(case, first.ran, bound=f"what {case.world} ranks have saved is not loaded on {ranks}: {crash}")
    if crash is not None:
        return Story(case, first.ran, crash=crash)
    if second.waiting or second.clashed:
        loading = Story(other, second.ran, waiting=second.waiting, clashed=second.clashed)
        return Story(case, first.ran, loading=loading)
    return _beside_one_process(declared, (case, first.ran), (other, second.ran))


Run = tuple["RanksCase", Mapping[int, Ran]]
"""How rows were dealt, and what the ranks have told."""


def _beside_one_process(declared: Distributed, *runs: Run) -> Story:
    case, ran = runs[0]
    try:
        return Story(case, ran, tuple(_steps(declared, runs)))
    except Unsupported as unknown:
        return Story(case, ran, unknown=str(unknown))


def _steps(declared: Distributed, runs: Sequence[Run]) -> Iterator[Step]:
    single = SingleProcess(declared, runs[0][0], together(runs[0][1]))
    before, earlier = single.start(), tuple[Step, ...]()
    going_on = _seen_in(runs[0])
    taken = going_on
    if runs[1:]:
        taken = [*going_on[: runs[0][0].saved_after], *_seen_in(runs[1])]
    for t, (case, seen) in enumerate(taken):
        settings = next((one.settings for one in going_on[t][1].values() if one.settings is not None), None)
        step = replace(_step(single, case, t, before, seen, settings), earlier=earlier)
        _require_shapes(step)
        yield step
        earlier = (*earlier, step)
        now = [step.whole(name) for name in step.names]
        if any(w is None for w in now):
            return
        before = [w for w in now if w is not None]


def _require_shapes(step: Step) -> None:
    """Raise `Unsupported` where a rank holds a parameter of another shape: of shards no more is known than their size.

    Those of DTensors know where they stand in the whole.
    """
    for name, w in zip(step.names, step.before, strict=True):
        for rank, piece in step.pieces(name).items():
            if piece.shape != w.shape:
                raise Unsupported(
                    f"{name} has the shape {piece.shape} on rank {rank}, and not {w.shape}: only shards of DTensors "
                    "(distribute_tensor, parallelize_module, fully_shard) can be put together"
                )


def together(ran: Mapping[int, Ran]) -> Ran:
    """Return what the first rank tells, and beside it the parameters of others: those of a pipeline's stages differ."""
    first = ran[min(ran)]
    start, trainable, layout = dict(first.start), dict(first.trainable), dict(first.layout)
    for one in ran.values():
        start = {**one.start, **start}
        trainable = {**one.trainable, **trainable}
        layout = {**one.layout, **layout}
    return replace(first, start=start, trainable=trainable, layout=layout, optimizer=_with_groups_of(ran))


def _with_groups_of(ran: Mapping[int, Ran]) -> OptimizerSeen | None:
    """Return the first rank's optimizer; its groups also have the parameters that only other ranks hold."""
    own = ran[min(ran)]
    first = own.optimizer
    if first is None:
        return None
    groups = list(first.groups)
    for one in ran.values():
        for k, (names, _) in enumerate(one.optimizer.groups if one.optimizer is not None else ()):
            more = tuple(name for name in names if name not in own.start)
            if k < len(groups) and more:
                groups[k] = (tuple(dict.fromkeys((*groups[k][0], *more))), groups[k][1])
    return replace(first, groups=tuple(groups))


def _seen_in(run: Run) -> list[tuple[RanksCase, dict[int, Seen]]]:
    """Return what every rank shows after each step that a run has taken."""
    case, ran = run
    return [(case, {rank: one.steps[k] for rank, one in ran.items()}) for k in range(len(ran[0].steps))]


def _step(
    single: SingleProcess, case: RanksCase, t: int, before: Sequence[Array], seen: Mapping[int, Seen], settings: Any
) -> Step:
    state = single.state()
    gradients = single.gradients(before, t, clipped=False)
    expected = single.update(before, single.clip(list(gradients)), state, settings)
    single.adopt()
    exact = single.is_exact(before, t, gradients, expected, settings, case)
    return Step(t, single.names, before, seen, expected, gradients, exact, state, settings, single, case)


def alone(declared: Distributed, case: RanksCase) -> Story:
    """Return the same case on one process that has all rows: the control."""
    return observed(declared, case.alone())
