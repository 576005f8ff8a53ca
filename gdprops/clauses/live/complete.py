"""What the loss reaches is held by an optimizer, and what an optimizer holds is reached by a loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Story, moved_anyhow
from gdprops.model.clause import Level
from gdprops.model.ledger import Forward, Parameter

FEWEST_STEPS = 2
"""What one step or one backward call reaches decides nothing: a copy that lives for one batch is no model."""


@live_clause(
    id="live.complete",
    statement="What the loss reaches and asks for a gradient is held by an optimizer, and what an optimizer holds is "
    "reached by a loss.",
    source="zjunlp/HVPNeT#5: a group is never appended; open-mmlab/OpenPCDet#960: a bare nn.Parameter is in no "
    "leaf module; huggingface/transformers#3532: embeddings resized after the optimizer was built.",
    decision="Parameters that get a deposit, or are in a loss's graph, that no existing optimizer holds and that "
    "nothing moves; and parameters that a stepped optimizer holds and that no watched loss reaches, nothing moves, and "
    "nobody gives a gradient. Models that only run in evaluation mode are not meant to be trained, and modules that "
    "never run (idle experts) are not told, nor what is beside parameters that the script moves itself, as from master "
    "copies. Told as well: what is trained in a module on which somebody has set an attribute requires_grad that is "
    "False. --frozen PATTERN names exceptions.",
    level=Level.RECOMMENDED,
    refuted_by=(
        *("script-leaves-a-bare-parameter-out", "script-forgets-the-encoder"),
        *("script-resizes-after-the-optimizer", "script-clips-weights-into-new-parameters"),
        "script-trains-a-copy-of-the-model",
        *("script-hides-layers-in-a-list", "script-detaches-the-encoder", "script-freezes-what-is-to-be-trained"),
        "script-freezes-a-module-in-name",
    ),
)
def complete(read: Story) -> Iterator[Told]:
    facts, moved = read.ledger.parameters, moved_anyhow(read)
    reaches = [call.deposits | (call.event.reaches or frozenset()) for call in read.calls]
    times = Counter(_place(facts[p], p) for reach in reaches for p in reach)
    reached = frozenset[int]().union(*reaches)
    held = frozenset[int]().union(*(optimizer.holds for optimizer in read.ledger.optimizers.values()))
    evaluated = _only_evaluated(read)
    by_hand = {facts[p].module for p in moved - held}
    left_out = [
        p
        for p in sorted(reached - held - moved)
        if facts[p].module not in by_hand
        and times[_place(facts[p], p)] >= FEWEST_STEPS
        and _is_trained(facts[p], evaluated)
        and not read.ledger.is_declared_frozen(p)
    ]
    if left_out:
        places = [call.place for call in read.calls if call.deposits & set(left_out)]
        stood = {_place(facts[p], p) for p in held} & {_place(facts[p], p) for p in left_out}
        instead = (
            "; an optimizer holds what stood there before: change p.data in place, or make it anew" if stood else ""
        )
        yield Told(
            f"backward at {lines(places)} reaches {named(read, left_out)}, and no optimizer holds that: it is never "
            f"trained (requires_grad_(False) says that this is meant){instead}",
            tuple(left_out),
            None,
            tuple(places),
        )
    for optimizer in read.stepped:
        yield from _unreached(read, optimizer, reached | moved)
        yield from _meant_frozen(read, optimizer)


def _meant_frozen(read: Story, optimizer: int) -> Iterator[Told]:
    """Yield what is trained although somebody has said of its module that it is not to be."""
    for step in read.steps_of(optimizer):
        used = {p for p, use in step.uses.items() if use.own and use.calls}
        found = sorted(
            p for p in used & (step.ends.moved if step.ends else set()) if read.ledger.parameters[p].meant_frozen
        )
        if found:
            yield Told(
                f"the step at {lines([step.place])} trains {NAMES}, of whose module requires_grad = False was said: "
                "that is an attribute of the module and freezes nothing, but requires_grad_(False) does",
                tuple(found),
                step.number,
                (step.place,),
            )
            return


def _place(parameter: Parameter, number: int) -> tuple[int, str | int]:
    """Return where a parameter stands: a script may put another one there after each step."""
    return (-1, number) if parameter.module is None else (parameter.module, parameter.name)


def _is_trained(parameter: Parameter, evaluated: set[int]) -> bool:
    return parameter.trainable and parameter.module is not None and parameter.module not in evaluated


def _only_evaluated(read: Story) -> set[int]:
    """Return the modules that never run in training mode."""
    passes = [event for event in read.ledger.events if isinstance(event, Forward)]
    return {one.module for one in passes} - {one.module for one in passes if one.training}


def _unreached(read: Story, optimizer: int, reached: frozenset[int]) -> Iterator[Told]:
    steps = read.steps_of(optimizer)
    if len(steps) < FEWEST_STEPS:
        return
    given = {p for step in steps for p in step.event.gradients}
    held = read.ledger.optimizers[optimizer].holds
    facts = read.ledger.parameters
    idle = [
        p
        for p in sorted(held - reached - given)
        if facts[p].trainable and not facts[p].idle and not read.ledger.is_declared_frozen(p)
    ]
    if idle:
        strange = all(facts[p].module is None for p in idle)
        where = " and no module of a forward pass has" if strange else ""
        yield Told(
            f"{read.ledger.optimizers[optimizer].name}, stepped at {lines([steps[0].place])}, holds "
            f"{named(read, idle)}, which no loss reaches{where}: it does not train what runs",
            tuple(idle),
            steps[0].number,
            (steps[0].place,),
        )
